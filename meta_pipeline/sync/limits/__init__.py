"""What calls cost, and whether one may be made now."""
