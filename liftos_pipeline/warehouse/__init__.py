"""DuckDB: connections and locking, loading, result partitions, the page archive, publishing."""

from liftos_pipeline.warehouse.store import Warehouse, warehouse_of

__all__ = ["Warehouse", "warehouse_of"]
