"""Selection of the simplest law that explains held-out motion as well as any other."""
