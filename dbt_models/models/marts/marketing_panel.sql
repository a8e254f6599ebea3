-- depends_on: {{ source('ops', 'load_receipt') }}
-- The panel at the newest as-of day. For another day call marketing_panel_as_of(day, days to look back).
select *
from {{ ref('marketing_panel_as_of') }}({{ newest_as_of() }}, {{ env_var('LIFTOS_LOOK_BACK_DAYS', '180') }})
order by unit_type, unit_id, date_day
