-- Every unit has a row for every day between its account's first day and the as-of day.
select unit_id, count(*) as n_days, max(as_of) - min(date_day) + 1 as n_expected
from {{ ref('marketing_panel') }}
group by unit_id
having count(*) <> max(as_of) - min(date_day) + 1 or max(date_day) <> max(as_of)
