{# What counts as known at the end of an as-of day: a pull on the following UTC day or earlier. A simulated pull for
   day D happens at D + 1, 00:00; a live run for D on the morning of D + 1. Both lie before D + 2. #}
{% macro knowledge_end(as_of_day) %}({{ as_of_day }}::date + interval 2 day){% endmacro %}

{# A replay passes `known_until`, the instant before which the replayed run had seen everything; NULL, or the default, means no limit. (DuckLake keeps no macro whose default is NULL.) #}
{% macro replay_end() %}coalesce(known_until::timestamp, timestamp '9999-12-31'){% endmacro %}

{# Just before this instant versions are read that were pulled in time. #}
{% macro read_at(as_of_day) %}least({{ knowledge_end(as_of_day) }}, {{ replay_end() }}){% endmacro %}

{# Versions of `fact` that stand just before `known_at`. #}
{% macro stands(fact, known_at) %}{{ fact }}.observed_from < {{ known_at }} and {{ fact }}.observed_to >= {{ known_at }}{% endmacro %}
