{# A relation with parameters: DuckDB's table macro. Call it as ref('name') followed by its arguments. #}
{% materialization table_macro, adapter='duckdb' %}
    {%- set parameters = config.require('parameters') -%}
    {%- call statement('main') -%}
        create or replace macro {{ this.database }}.{{ this.schema }}.{{ this.identifier }}({{ parameters | join(', ') }}) as table (
            {{ sql }}
        )
    {%- endcall -%}
    {{ adapter.commit() }}
    {{ return({'relations': [this.incorporate(type='view')]}) }}
{% endmaterialization %}
