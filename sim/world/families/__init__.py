"""The kinds of places there are, sorted by subject; each lays out a `sim.world.scene_layout.SceneLayout`."""
