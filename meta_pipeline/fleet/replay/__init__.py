"""What a policy would cost: it keeps a made-up fleet for days of simulated time."""
