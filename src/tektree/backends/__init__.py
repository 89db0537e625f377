"""The storages that come with the package, one module for each technology, both flavours of each class."""
