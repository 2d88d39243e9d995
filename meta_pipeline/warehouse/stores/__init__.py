"""The stores: what is kept, a class for each kind of row."""
