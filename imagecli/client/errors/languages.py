"""What refusals say in other languages than English: patterns for text in lower case."""

from __future__ import annotations

SENSITIVE = (
    r"敏感|违规|違規|不安全内容|内容安全|審核未通過|审核(?:未通过|不通过|失败)|未通过(?:安全)?审核|涉黄|不合规"
    r"|不適切な|安全性.{0,4}ポリシー|부적절한|안전 ?정책"
)
"""The content policy has refused something."""
MONEY = (
    r"(?:余额|餘額|额度|額度|配额|配額|点数|點數|积分|積分)(?:已经?|已經)?(?:不足|用尽|用盡|用完|耗尽|耗盡|超限)|欠费|欠費|请充值|請充值|充值后"
    r"|(?:残高|クレジット|ポイント)(?:が|は)?不足|クレジットを使い切|(?:잔액|크레딧|포인트)(?:이|가)? ?부족"
    r"|недостаточно (?:средств|кредитов|баланса)|(?:квота|кредиты|баланс) исчерпан"
    r"|saldo insuficiente|cr[eé]ditos? (?:insuficientes?|agotad|esgotad)|cuota agotada|cota esgotada"
    r"|cr[eé]dits? (?:est |sont )?(?:insuffisants?|épuisés?)|solde (?:est )?insuffisant|quota (?:est )?épuisé"
    r"|guthaben (?:ist |reicht )?(?:nicht|aufgebraucht|erschöpft|leer)|kontingent (?:ist )?(?:aufgebraucht|erschöpft)"
    r"|credit[oi] (?:insufficient[ei]|esaurit[oi])"
)
"""An account is used up."""
BUSY = (
    r"(?:并发|並發|任务数|频率|頻率|速率|调用量|請求|请求)\w{0,8}(?:过高|過高|超限|超过|超過|过多|過多)|(?:请求|操作|访问)(?:过于|太)频繁"
    r"|(?:队列|隊列)已[满滿]|(?:服务|系统|伺服器)繁忙|请稍后|請稍後|リクエストが多すぎ|混み合って|요청이 너무 많"
    r"|слишком много запросов|demasiadas solicitudes|trop de requêtes|zu viele anfragen"
)
"""Too much is asked for at once: what may be said of any failure is searched last."""
MODEL = r"模型|モデル|모델|модел|\bmodell\b|\bmodelo\b|\bmodèle\b"
CHANNELS = r"(?:模型|model).{0,80}无可用渠道|(?:模型|model).{0,80}無可用渠道"
"""A gateway has no server for the model: new-api, one-api."""
