{{ config(severity='warn') }}
-- A day without a receipt is a missing day, not an empty one. Back-fill it before its numbers are used.
select distinct platform, account_id, date_day
from {{ ref('marketing_panel') }}
where not is_observed and not is_boundary
