{% test unique_key(model, columns) %}
select {{ columns | join(', ') }}, count(*) as n_rows
from {{ model }}
group by all
having count(*) > 1
{% endtest %}

{% test one_version_at_a_time(model, columns) %}
{# Intervals of one key never overlap. #}
select {{ columns | join(', ') }}
from {{ model }}
qualify observed_to > lead(observed_from) over (partition by {{ columns | join(', ') }} order by observed_from)
{% endtest %}
