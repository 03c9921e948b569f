"""Built-in taxonomies, one TOML file each."""
