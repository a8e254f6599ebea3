{# What counts as known at the end of an as-of day: a pull on the following UTC day or earlier. A simulated pull for
   day D happens at D + 1, 00:00; a live run for D on the morning of D + 1. Both lie before D + 2. #}
{% macro knowledge_end(as_of_day) %}({{ as_of_day }}::date + interval 2 day){% endmacro %}

{# Versions of `fact` that stand just before `known_at`. #}
{% macro stands(fact, known_at) %}{{ fact }}.observed_from < {{ known_at }} and {{ fact }}.observed_to >= {{ known_at }}{% endmacro %}
