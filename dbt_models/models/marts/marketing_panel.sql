-- depends_on: {{ source('ops', 'load_receipt') }}
-- The panel at the newest as-of day. For another day call marketing_panel_as_of(day, days to look back).
select *
from {{ ref('marketing_panel_as_of') }}({{ newest_as_of() }}, {{ var('look_back_days') }})
order by unit_type, unit_id, date_day
