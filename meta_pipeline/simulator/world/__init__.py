"""What there is to ask about: ad accounts, campaigns, ad sets, ads, creatives, and their edits.

Everything follows from a seed and a clock. Nothing here knows the Graph API's requests or errors.
"""

from meta_pipeline.simulator.world.edits import ABSENT, EditRefusedError
from meta_pipeline.simulator.world.world import World

__all__ = ["ABSENT", "EditRefusedError", "World"]
