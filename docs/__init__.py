"""The documentation site's sources; a package, so that the scripts of `docs.make` import each other."""
