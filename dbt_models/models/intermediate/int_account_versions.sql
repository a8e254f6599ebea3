-- Accounts of all platforms in common columns, every version.
select 'meta' as platform, 'account' as stream, account_id, currency_code, account_timezone, observed_from, observed_to
from {{ ref('stg_meta__account') }}
union all
select 'google_ads', 'customer', account_id, currency_code, account_timezone, observed_from, observed_to
from {{ ref('stg_google_ads__customer') }}
union all
select 'klaviyo', 'account', account_id, currency_code, account_timezone, observed_from, observed_to
from {{ ref('stg_klaviyo__account') }}
