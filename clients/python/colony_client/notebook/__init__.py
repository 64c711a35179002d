"""Colony in a notebook: ``Colony`` and its missions show themselves as tables and pictures.

```python
from colony_client.notebook import Colony

colony = Colony()
mission = colony.run("crm_lead_intelligence", "What next?", {"lead_id": "L-1001"})
mission.show()
mission.timeline()
mission.diff(mission.replay())
```

It needs nothing that the client does not need: the pictures are SVG.
"""

from colony_client.notebook.markup import Shown
from colony_client.notebook.missions import Colony, Mission
from colony_client.notebook.samples import a_lead
from colony_client.notebook.service import at_hand

__all__ = ["Colony", "Mission", "Shown", "a_lead", "at_hand"]
