"""The sections of the daemon's configuration; `edge.config` puts them together."""
