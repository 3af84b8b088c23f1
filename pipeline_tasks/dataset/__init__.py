"""What models read, made of clean tables: sequences, catalogue, users, and ranking examples."""
