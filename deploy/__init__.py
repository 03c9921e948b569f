"""The bundle: model, configuration and software put onto a drone whole or not at all."""
