"""The onboard daemon: cameras, runtimes, the pipeline, health, and the command line."""
