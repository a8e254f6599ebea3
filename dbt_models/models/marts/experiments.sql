{{ config(materialized='view') }}
-- depends_on: {{ source('ops', 'load_receipt') }}
-- Declared experiments at the newest as-of day. For another day call experiments_as_of(day).
select *
from {{ ref('experiments_as_of') }}({{ newest_as_of() }})
