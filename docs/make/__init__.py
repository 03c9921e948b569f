"""Writers of the site's generated parts."""
