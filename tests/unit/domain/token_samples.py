"""Texts and what they come to in a current vocabulary of 200,000 tokens (`o200k_base`), counted by its tokenizer."""

# ruff: noqa: RUF001 - texts in the scripts that are measured
from typing import NamedTuple


class Sample(NamedTuple):
    """A text, and its tokens as they were counted."""

    name: str
    tokens: int
    text: str


SAMPLES = [
    Sample(
        "English prose",
        99,
        (
            "The ferry left the harbour a little after nine, later than the timetable promised but "
            "earlier than anyone had feared. On the upper deck a group of students argued about "
            "whether the mountains behind the town were already part of the national park, and an "
            "old man with a thermos flask answered them patiently, pointing at each ridge in turn. "
            "By the time the island came into view the wind had turned, the argument was forgotten, "
            "and most of the passengers had gone below to find something warm to drink."
        ),
    ),
    Sample(
        "English chat",
        54,
        (
            "Hi! I can't log in since yesterday. I've already tried resetting my password twice, but "
            "the email never arrives (I checked spam, too). Could you please look into it? My "
            "username is the same as before. Thanks a lot, and sorry for the trouble!"
        ),
    ),
    Sample(
        "English technical",
        71,
        (
            "When a worker loses its lease, another process may claim the run: it increments the "
            "epoch, replays the event log from the last completed step, and refuses every write that "
            "still carries the older epoch. Retries use exponential back-off with jitter, so that a "
            "thousand clients don't reconnect in the same millisecond; the default timeout is 30 "
            "seconds."
        ),
    ),
    Sample(
        "German prose",
        94,
        (
            "Als der Zug endlich in den Bahnhof einfuhr, hatte der Regen aufgehört und über den "
            "Dächern der Altstadt lag ein schmaler Streifen Abendlicht. Frau Lindner stellte ihren "
            "Koffer auf den Bahnsteig, schaute sich um und merkte, dass niemand gekommen war, um sie "
            "abzuholen. Sie ärgerte sich nicht darüber; sie hatte schließlich selbst geschrieben, "
            "dass man sich ihretwegen keine Umstände machen solle."
        ),
    ),
    Sample(
        "German formal",
        79,
        (
            "Sehr geehrte Damen und Herren, hiermit kündige ich den zwischen uns bestehenden "
            "Mietvertrag über die Wohnung im zweiten Obergeschoss fristgerecht zum Ende des "
            "übernächsten Monats. Bitte bestätigen Sie mir den Erhalt dieser Kündigung sowie den "
            "Zeitpunkt der Wohnungsübergabe schriftlich. Die Kaution überweisen Sie bitte nach "
            "Abrechnung der Nebenkosten auf das Ihnen bekannte Konto."
        ),
    ),
    Sample(
        "German technical",
        47,
        (
            "Die Zusammenfassung älterer Nachrichten wird vom Sprachmodell erzeugt und versioniert "
            "gespeichert. Schlägt die Anfrage fehl, verwendet der Dienst stattdessen die letzten "
            "Nachrichten des Gesprächs; die ursprünglichen Nachrichten bleiben dabei immer erhalten."
        ),
    ),
    Sample(
        "Chinese prose",
        95,
        (
            "昨天下午我和朋友一起去了郊外的一座古镇。石板路两旁是老房子，门口挂着红灯笼，河边"
            "有几位老人在下棋。我们在一家小茶馆里坐了很久，听老板讲这个镇子以前的故事。傍晚的"
            "时候下起了小雨，街上的人渐渐少了，整个镇子显得格外安静。"
        ),
    ),
    Sample(
        "Chinese technical",
        54,
        (
            "当会话的历史消息超过模型的上下文长度时，服务会自动把较早的消息压缩成摘要，并保留"
            "最近的消息。如果生成摘要失败，系统会退回到滑动窗口策略，原始消息不会被删除。"
        ),
    ),
    Sample(
        "Chinese question", 28, ("请帮我写一封邮件，告诉客户我们的产品下周三发布，价格不变，并感谢他们一直以来的支持。")
    ),
    Sample(
        "JSON compact",
        110,
        (
            '{"id":"018f3c2e-7b1a-7c44-9d0e-5a6b7c8d9e0f","name":"search_documents","arguments":{"query":"annual '
            "revenue "
            '2023","limit":20,"filters":[{"field":"language","operator":"==","value":"en"},{"field":"updated_at","operator":">","value":"2023-01-01T00:00:00Z"}],"include_archived":false,"score_threshold":0.75}}'
        ),
    ),
    Sample(
        "JSON pretty",
        122,
        (
            '{\n  "type": "object",\n  "properties": {\n    "location": {\n      "type": "string",\n      '
            '"description": "City and country, for example Oslo, Norway"\n    },\n    "unit": {\n      '
            '"type": "string",\n      "enum": [\n        "celsius",\n        "fahrenheit"\n      ]\n    '
            '},\n    "days": {\n      "type": "integer",\n      "minimum": 1,\n      "maximum": 14\n    '
            '}\n  },\n  "required": [\n    "location"\n  ],\n  "additionalProperties": false\n}'
        ),
    ),
    Sample(
        "JSON rows",
        141,
        (
            '[{"order": 10017, "customer": "Miller", "total": 129.9, "paid": true, "tags": ["new"]}, '
            '{"order": 10030, "customer": "Okafor", "total": 58.25, "paid": false, "tags": '
            '["export", "priority"]}, {"order": 10043, "customer": "Sanchez", "total": 1204.0, '
            '"paid": true, "tags": []}, {"order": 10056, "customer": "Yamada", "total": 77.1, '
            '"paid": true, "tags": ["gift"]}]'
        ),
    ),
    Sample(
        "Python code",
        100,
        (
            'def moving_average(values: list[float], width: int) -> list[float]:\n    """The mean of '
            'each window of `width` neighbours."""\n    if width < 1:\n        raise ValueError("width '
            'must be at least 1")\n    total = sum(values[:width])\n    means = [total / width]\n    '
            "for index in range(width, len(values)):\n        total += values[index] - values[index - "
            "width]\n        means.append(total / width)\n    return means\n"
        ),
    ),
    Sample(
        "Russian prose",
        82,
        (
            "Утром в деревне стоял густой туман, и дорога к реке почти не была видна. Мы шли "
            "медленно, стараясь не потерять тропинку, и говорили о том, как быстро прошло лето. К "
            "полудню туман рассеялся, и перед нами открылся широкий луг с одинокой берёзой "
            "посередине."
        ),
    ),
    Sample(
        "Japanese prose",
        80,
        (
            "週末に友人と海辺の小さな町を訪れました。駅前の商店街は静かで、古い喫茶店が一軒だ"
            "け開いていました。店主は笑顔でコーヒーを淹れながら、この町の昔の話をゆっくりと聞"
            "かせてくれました。"
        ),
    ),
    Sample(
        "French prose",
        75,
        (
            "Le marché s'installe chaque samedi sur la place de l'église. Dès six heures, les "
            "maraîchers déchargent leurs caisses, et l'odeur du pain chaud se mêle à celle des "
            "herbes fraîches. Vers midi, il ne reste plus que quelques étals et les derniers "
            "clients, qui négocient sans trop y croire."
        ),
    ),
    Sample(
        "Spanish prose",
        59,
        (
            "La biblioteca del barrio cerró durante dos años por obras y, cuando volvió a abrir, "
            "casi nadie la reconoció. Donde antes había pasillos oscuros ahora entra la luz por "
            "ventanales enormes, y los niños leen sentados en el suelo junto a las mesas de los "
            "estudiantes."
        ),
    ),
    Sample(
        "Markdown",
        90,
        (
            "## Release notes\n\n- **Added**: `--dry-run` shows what would change without writing it.\n"
            "- **Fixed**: the table no longer overflows on narrow screens (#482).\n- **Changed**: "
            "timeouts are given in seconds, e.g. `timeout = 30`.\n\n| option | default |\n|---|---|\n| "
            "`retries` | 3 |\n| `backoff` | 0.5 |\n"
        ),
    ),
    Sample(
        "Korean prose",
        45,
        (
            "지난 주말에 가족과 함께 산에 다녀왔습니다. 날씨가 맑아서 정상에서 바다까지 보였고, "
            "내려오는 길에 작은 식당에서 따뜻한 국수를 먹었습니다."
        ),
    ),
    Sample(
        "Numbers",
        72,
        (
            "2024-03-01 08:15:22 41.8 1013.25 57%\n2024-03-01 08:30:22 42.1 1013.31 56%\n2024-03-01 "
            "08:45:22 42.7 1013.28 54%\n"
        ),
    ),
]
