"""The gallery: runs whose reports stand in ``docs/gallery``, and the pages that are written of their figures."""
