"""Choice of the site from the ground map: picker, tracker, last resort, and known sites on the globe."""
