"""What a sync is going to read: days, windows, edges; pure but for what is stored."""
