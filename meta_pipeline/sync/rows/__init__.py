"""What Meta gives, as rows: fields and their columns, datasets, values converted, findings."""
