"""Where a setting's value comes from: flags, environment, project file, user file, default."""
