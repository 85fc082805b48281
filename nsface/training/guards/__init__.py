"""What keeps a training safe: steps that are not finite, runs that do not learn, memory and disks."""
