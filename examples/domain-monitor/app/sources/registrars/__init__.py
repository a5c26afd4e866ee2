"""The registrars, one file each: how it is asked, where its list ends, and what its words mean."""
