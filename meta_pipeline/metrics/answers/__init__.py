"""One question to one table of numbers: what is asked, the SQL of it, how complete it is."""
