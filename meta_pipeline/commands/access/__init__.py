"""Who and what is let in: connections to Meta, tenants, keys of programs."""
