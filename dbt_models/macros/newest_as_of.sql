{# Newest as-of day that any receipt knows, as a literal; the first day of 2000 in an empty warehouse. #}
{% macro newest_as_of() %}
    {%- if execute -%}
        {%- set found = run_query(
            "select coalesce(max(observed_at)::date - 1, date '2000-01-01')::varchar from " ~ source('ops', 'load_receipt')
        ) -%}
        date '{{ found.columns[0].values()[0] }}'
    {%- else -%}
        date '2000-01-01'
    {%- endif -%}
{% endmacro %}
