"""The nouns that every room shares. The ground floor: nothing of ours is imported here."""
