"""Between a command and the person: options, tables, streams, mistakes in words."""
