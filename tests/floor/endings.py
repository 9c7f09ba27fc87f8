"""Turns of eight languages that are whole, and turns that hang: what people say to a hotel, a bank, a doctor."""

from __future__ import annotations

WHOLE: dict[str, str] = {
    "en": """What time do you open? | Yes, please. | No, thank you. | Cancel my appointment.
        | I'd like a table for two. | Thanks, bye. | How much does it cost? | Where are you from? | That's all.
        | Can you call me back tomorrow? | Good morning. | Tell me a joke about cats.
        | My flight was cancelled yesterday. | I don't know. | Tomorrow. | Book the room with a view.
        | Is breakfast included? | Yes, I am. | What are you looking for? | Send it to my office, please.
        | I lost my card in the subway. | Which one is cheaper?""",
    "es": """¿A qué hora abren? | Sí, por favor. | No, gracias. | Cancele mi cita.
        | Quiero una mesa para dos personas. | Muchas gracias, adiós. | ¿Cuánto cuesta? | ¿Dónde están ustedes?
        | Eso es todo. | ¿Me puede llamar mañana? | Buenos días. | Dígame el precio total.
        | Mi vuelo fue cancelado ayer. | No sé. | Mañana. | Reserve la habitación con vistas.
        | ¿Hay desayuno incluido? | Está bien. | ¿Qué busca usted? | Perdí mi tarjeta en el metro.
        | ¿Cuál es más barato? | Envíelo a mi oficina, por favor.""",
    "de": """Wann machen Sie auf? | Ja, bitte. | Nein, danke. | Ich möchte einen Tisch für zwei Personen.
        | Danke, tschüss. | Wie viel kostet das? | Wo sind Sie? | Das ist alles.
        | Können Sie mich morgen zurückrufen? | Guten Morgen. | Buchen Sie das Zimmer mit Blick.
        | Mein Flug wurde gestern gestrichen. | Weiß nicht. | Morgen. | Ist das Frühstück dabei? | In Ordnung.
        | Was suchen Sie? | Ich habe meine Karte in der Bahn verloren. | Welches ist billiger?
        | Schicken Sie es bitte ins Büro. | Stornieren Sie meinen Termin. | Genau.""",
    "fr": """À quelle heure ouvrez-vous? | Oui, s'il vous plaît. | Non, merci. | Annulez mon rendez-vous.
        | Je voudrais une table pour deux personnes. | Merci, au revoir. | Combien ça coûte? | Où êtes-vous?
        | C'est tout. | Pouvez-vous me rappeler demain? | Bonjour. | Dites-moi le prix total.
        | Mon vol a été annulé hier. | Je ne sais pas. | Demain. | Réservez la chambre avec vue.
        | Est-ce que le petit déjeuner est compris? | D'accord. | Que cherchez-vous?
        | J'ai perdu ma carte dans le métro. | Quel est le moins cher? | Envoyez-le au bureau, s'il vous plaît.""",
    "he": """מתי אתם פותחים? | כן, בבקשה. | לא, תודה. | תבטל את הפגישה שלי. | אני רוצה שולחן לשני אנשים.
        | תודה, להתראות. | כמה זה עולה? | איפה אתם נמצאים? | זה הכל. | אפשר להתקשר אליי מחר? | בוקר טוב.
        | תגיד לי את המחיר הכולל. | הטיסה שלי בוטלה אתמול. | לא יודע. | מחר. | תזמין את החדר עם הנוף.
        | האם ארוחת הבוקר כלולה? | בסדר. | מה אתם מחפשים? | איבדתי את הכרטיס ברכבת. | איזה יותר זול?
        | תשלח את זה למשרד, בבקשה.""",
    "hi": """आप कब खोलते हैं? | हाँ, कृपया बताइए। | नहीं, धन्यवाद। | मेरी अपॉइंटमेंट रद्द कीजिए।
        | मुझे दो लोगों के लिए टेबल चाहिए। | धन्यवाद। | इसका कितना दाम है? | आप कहाँ हैं? | बस इतना ही।
        | क्या आप कल फोन कर सकते हैं? | नमस्ते। | मुझे कुल दाम बताइए। | मेरी उड़ान कल रद्द हो गई। | पता नहीं।
        | कल। | वह कमरा बुक करो। | क्या नाश्ता शामिल है? | ठीक है। | आप क्या ढूंढ रहे हैं?
        | मेरा कार्ड खो गया है। | कौन सा सस्ता है? | इसे दफ़्तर भेजो।""",
    "zh": """你们几点开门？ | 是的，谢谢。 | 不用，谢谢。 | 取消我的预约。 | 我想订一张两个人的桌子，谢谢。
        | 谢谢，再见。 | 多少钱？ | 你们在哪里？ | 就这些。 | 你能明天给我打电话吗？ | 早上好。 | 告诉我总价。
        | 我的航班昨天取消了。 | 不知道。 | 明天。 | 预订那个房间吧。 | 包括早餐吗？ | 好的。 | 您要找什么？
        | 我的卡丢了。 | 哪一个比较便宜？ | 请发到我的办公室。""",
    "ja": """何時に開きますか？ | はい、お願いします。 | いいえ、結構です。 | 予約をキャンセルしてください。
        | 二人用の席をお願いします。 | ありがとうございます。 | いくらですか？ | どこにありますか？ | 以上です。
        | 明日電話してもらえますか？ | おはようございます。 | 合計金額を教えてください。
        | 昨日フライトがキャンセルされました。 | わかりません。 | 明日です。
        | 景色のいい部屋を予約してください。 | 朝食は付いていますか？ | 大丈夫です。 | 何を探していますか？
        | カードをなくしました。 | どちらが安いですか？ | 会社に送ってください。""",
}

HANGING: dict[str, str] = {
    "en": """I want to | And then | My number is | I'd like to book a | Can you tell me | It's because
        | I was going to | Um | So the | I need a room for | If I come on Friday | What about my
        | I'm looking for | Yes, but | The doctor with the | Could you | My name is | I think | He said that
        | When is the | I want a table for, um | Do you have any | The man in the blue car | Please call my""",
    "es": """Quiero | Y entonces | Mi número es | Me gustaría reservar una | ¿Me puede decir si | Es porque
        | Iba a decir que | Eh | Necesito una habitación para | Si llego el viernes | Mi nombre es
        | Estoy buscando | Sí, pero | El médico con la | ¿Puede | Pues | Voy a | La cita del
        | Quería saber cuándo | Tengo una reserva para el | ¿Hay | A nombre de""",
    "de": """Ich möchte | Und dann | Meine Nummer ist | Ich hätte gern ein | Können Sie | Weil | Ich wollte | Äh
        | Ich brauche ein Zimmer für | Wenn ich am Freitag komme | Mein Name ist | Ich suche | Ja, aber
        | Der Arzt mit der | Haben Sie | Also | Ich habe | Der Termin vom | Ich wollte fragen, ob | Das ist
        | Für | Am | Kann ich""",
    "fr": """Je voudrais | Et puis | Mon numéro est | Je voudrais réserver une | Pouvez-vous | Parce que
        | J'allais dire que | Euh | J'ai besoin d'une chambre pour | Si j'arrive vendredi | Je m'appelle
        | Je cherche | Oui, mais | Le médecin avec la | Est-ce que | Ben | Je vais | Le rendez-vous du
        | Je voulais savoir si | C'est | Au nom de | Il y a""",
    "he": """אני רוצה | ואז | המספר שלי הוא | אני צריך | אני רוצה להזמין את | כי | אה | אני צריך חדר עם
        | אם אני מגיע ביום שישי | השם שלי הוא | אני מחפש | כן, אבל | הרופא של | האם | אתה יכול | יש לכם
        | רציתי לדעת אם | זה בגלל | וגם | אני | בשביל | לפני""",
    "hi": """मुझे | और फिर | मेरा नंबर | मैं | क्या आप | क्योंकि | उम | मुझे एक कमरा शुक्रवार के लिए
        | अगर मैं शुक्रवार को आऊं | मेरा नाम | हाँ, लेकिन | डॉक्टर के | मतलब | मुझे यह जानना था कि | और
        | मेरी बुकिंग का | इसलिए | वह दुकान में | स्टेशन से | आपके | या | हमारा""",
    "zh": """我想 | 然后 | 我的号码是 | 我想订一个 | 你能 | 因为 | 嗯那个 | 我需要一个房间给 | 如果我星期五来
        | 我叫 | 我在找 | 是的，但是 | 那个医生的 | 请问 | 就是 | 我要 | 还有 | 关于 | 我想把 | 我的预约在
        | 或者 | 帮我""",
    "ja": """あの | それで | 電話番号は | 部屋を | もし金曜日に | なぜなら | えーと | 金曜日の | 私の | 名前は
        | 予約したいんですけど | はい、でも | 病院の | 明日の三時に | そして | 駅から | えっと | 席が | だから
        | 友達と | 電車で | カードは""",
}


def table(texts: dict[str, str]) -> list[tuple[str, str]]:
    """Language and text of each."""
    return [(language, " ".join(text.split())) for language, every in texts.items() for text in every.split("|")]
