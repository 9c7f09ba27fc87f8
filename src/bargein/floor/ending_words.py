"""The words by which `completeness` tells a turn that is over from one that goes on, in the lexicon's languages.

Phrases are written as people write them, and compared folded, as in `lexicon`. A phrase counts at the place that its
field names: `hanging` and the like at the end of a turn, `asking` and the like at its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Phrases = str
"""Phrases, separated by commas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingWords:
    """What one language has."""

    hanging: Phrases
    """After these at the end more has to come: conjunctions, articles, possessives, beginnings of a wish."""
    leaning: Phrases
    """After these at the end more is likely, unless the turn is a question ("where are you from") or a short answer
    ("yes, I am"): prepositions, auxiliaries."""
    fillers: Phrases
    """Hesitations. At the end of a turn they keep it."""
    yes_no: Phrases
    """Answers by themselves, and beginnings of answers."""
    whole: Phrases
    """Turns by themselves: greetings, thanks, commands."""
    closing: Phrases
    """At the end of a turn they close it."""
    asking: Phrases
    """Beginnings of questions."""
    wh: Phrases
    """Of these, what may have its preposition at the end."""
    opening: Phrases
    """Beginnings of clauses that need another clause."""
    commands: Phrases
    """Beginnings of commands, which need an object."""
    units: Phrases
    """Words for one digit."""
    teens: Phrases
    """Words for two digits."""
    tens: Phrases
    """Words for two digits, or for one where another digit follows."""
    asks_digits: Phrases
    """In what the agent asks: the answer is digits."""
    asks_spelling: Phrases
    """In what the agent asks: the answer is dictated in parts (a name, an address, a spelling)."""


WORDS: Mapping[str, EndingWords] = {
    "en": EndingWords(
        hanging="and, or, but, because, cause, so that, that is, which, who is, whose, if, when, while, until,"
        " unless, although, though, whether, than, the, a, an, my, your, his, our, their, its, every, each, very,"
        " really, quite, too much of, i want to, i want, i would like, i'd like, i'd like to, i would like to,"
        " i need to, i need, i'm going to, i was going to, going to, gonna, wanna, want to, like to, need to, have to,"
        " able to, used to, let me, let's, lets, can you, could you, would you, will you, can i, could i, may i,"
        " do you have, do you, did you, are you, is there, is there a, i have, i'm, i am looking for, i'm looking for,"
        " there's, there is, there are, it's, that's a, what about, how about, such as, called, named, known as,"
        " as well as, kind of, sort of, a lot of, lots of, a couple of, one of, some of, all of, most of, because of,"
        " instead of, out of, at least, more, between, during, without, within, into, onto, upon, per, versus, plus,"
        " my name is, my number is, my address is, this is, it was, he is, she is, we are, they are, you are, we're,"
        " they're, you're, i've, we've, i'll, we'll, who, where, what is, what's, where is, where's, when is, how is,"
        " would, could, should, might, please call, something like, like a, and then, and so, or maybe, i mean,"
        " well i, how much is, how many, how do i, what time does, for example, in order to, according to, whenever,"
        " thee, whereas, however, also, then, maybe, perhaps, only, just, even, not only, either, neither, another,"
        " tell me, show me, give me, find me, the word, see, using, saying, having, making, taking, getting, wearing,"
        " no idea what, know what, know how, gave them, give them, gave me, gave him, he's, she's, that's, this is my,"
        " if you could, depending on, in case, as if, even though, each of, both of, out of the, in front of, next to",
        leaning="to, of, for, with, at, in, on, from, by, about, as, like, through, over, under, after, before,"
        " against, around, near, is, are, was, were, be, been, am, has, had, have, do, does, did, can, will, may,"
        " must, not, i, we, he, she, they, some, any, no, this, that, these, those, so, get, make, want, need, said,"
        " was a, think, know, says, is not, isn't, don't, doesn't, didn't, won't, can't, about the, first, next, last,"
        " new, little, big, other, same, own, since, what, why, how, when",
        fillers="um, uh, er, erm, hm, hmm, mm, ah, eh, uhm, well, you know, let's see, let me see, let me think, like",
        yes_no="yes, yeah, yep, yup, no, nope, nah, okay, ok, sure, right, correct, exactly, of course, definitely,"
        " absolutely, certainly, not really, i do, i am, i did, i don't, i'm not, it is, it isn't, that's right, true,"
        " i think so, i guess so, maybe, fine, good, great, neither, both, alright, all right, not yet, never, always",
        whole="hello, hi, hey there, hello there, good morning, good afternoon, good evening, thanks, thank you,"
        " thank you very much, thanks a lot, bye, goodbye, bye bye, see you, good night, stop, wait, hold on, help,"
        " forget it, that's all, that is all, that's it, nothing else, i don't know, no idea, go ahead, go on,"
        " say that again, repeat that, excuse me, sorry, i see, got it, how are you, what, pardon, done, cancel",
        closing="please, thank you, thanks, bye, goodbye, that's all, that's it, as soon as possible, right now,"
        " today, tomorrow, tonight, instead, anymore, at all, again, okay, right, either way, for me, for you,"
        " if you can if possible",
        asking="what, when, where, who, why, how, which, whose, is, are, was, were, do, does, did, can, could, will,"
        " would, should, may, have you, has, isn't, aren't, don't you, doesn't, so what, and what, and how, okay what",
        wh="what, who, where, which, how, when, why, whose, and what, and where, and how, so what, okay what",
        opening="if, when, while, because, although, since, as soon as, after, before, unless, until, whenever, once,"
        " for any reason, but if, and if, and when, but when",
        commands="book, cancel, change, tell me, give me, show me, send, play, open, call, find, get me, put me,"
        " take, make, set, turn, read, repeat, look up, connect me, transfer me, remind me, add, remove, delete,"
        " start, close",
        units="zero, oh, o, one, two, three, four, five, six, seven, eight, nine, double, triple",
        teens="ten, eleven, twelve, thirteen, fourteen, fifteen, sixteen, seventeen, eighteen, nineteen",
        tens="twenty, thirty, forty, fifty, sixty, seventy, eighty, ninety, hundred, thousand",
        asks_digits="number, digits, digit, code, pin, zip, phone, date of birth, account, how many digits, card,"
        " expiry, key in, dial",
        asks_spelling="name, address, spell, email, e-mail, street, license plate",
    ),
    "es": EndingWords(
        hanging="y, e, o, u, pero, porque, que, si, cuando, mientras, aunque, como, donde, el, la, los, las, un, una,"
        " unos, unas, mi, mis, tu, tus, su, sus, nuestro, nuestra, del, al, muy, más, quiero, quisiera, me gustaría,"
        " necesito, voy a, tengo que, quería, puede, podría, puedes, puedo, hay, es que, lo que, para que, por qué no,"
        " me llamo, mi nombre es, mi número es, estoy, estoy buscando, cada, otro, otra, este, esta, ese, esa, cuánto,"
        " así que, entonces, o sea, por ejemplo, además, también, sino, ni, cuyo, según, durante",
        leaning="de, a, en, con, por, para, sin, sobre, entre, hasta, desde, hacia, contra, es, son, era, está,"
        " están, ha, he, han, ser, estar, no, se, me, te, le, lo, nos, les, yo, primer, gran, todo, toda, todos",
        fillers="eh, em, este, mm, hm, ah, pues, bueno, a ver, esto, o sea, déjame ver, digamos",
        yes_no="sí, no, claro, vale, ok, okay, de acuerdo, exacto, correcto, por supuesto, bueno, ya, eso es, nunca,"
        " creo que sí, creo que no, tal vez, está bien, perfecto, todavía no, las dos, ninguno",
        whole="hola, buenos días, buenas tardes, buenas noches, buenas, gracias, muchas gracias, adiós, hasta luego,"
        " hasta mañana, chao, para, espera, espere, perdón, ayuda, nada más, eso es todo, no sé, ni idea, cancela,"
        " repita, otra vez, qué tal, cómo está, cómo estás, déjalo, olvídalo, dígame, listo, un momento",
        closing="por favor, gracias, muchas gracias, adiós, ahora, hoy, mañana, nada más, otra vez, ya, eso es",
        asking="qué, cuándo, dónde, quién, cómo, cuál, cuáles, cuánto, cuánta, cuántos, por qué, a qué, de qué,"
        " con quién, hay, tiene, tienen, puede, puedo, podría, es, está, me puede, adónde, a dónde",
        wh="qué, cuándo, dónde, quién, cómo, cuál, cuánto, por qué, a qué, de qué, adónde, con quién",
        opening="si, cuando, mientras, porque, aunque, como, después de, antes de, en cuanto, ya que, y si",
        commands="reserve, reserva, cancele, cancela, dígame, dime, deme, dame, ponga, pon, llame, llama, busque,"
        " busca, abra, abre, envíe, envía, muéstrame, cambie, cambia, repita, páseme, cierre, cierra",
        units="cero, uno, una, dos, tres, cuatro, cinco, seis, siete, ocho, nueve, doble",
        teens="diez, once, doce, trece, catorce, quince, dieciséis, diecisiete, dieciocho, diecinueve, veintiuno,"
        " veintidós, veintitrés, veinticuatro, veinticinco, veintiséis, veintisiete, veintiocho, veintinueve",
        tens="veinte, treinta, cuarenta, cincuenta, sesenta, setenta, ochenta, noventa, cien, ciento, mil",
        asks_digits="número, dígitos, cifras, código, pin, teléfono, fecha de nacimiento, cuenta, tarjeta, marque",
        asks_spelling="nombre, apellido, apellidos, dirección, deletree, deletrear, correo, calle, matrícula",
    ),
    "de": EndingWords(
        hanging="und, oder, aber, weil, dass, denn, sondern, wenn, ob, als, bevor, nachdem, damit, obwohl, während,"
        " der, die, dem, den, des, ein, eine, einen, einem, einer, eines, mein, meine, meinen, meinem, meiner, dein,"
        " deine, ihr, ihre, ihren, sein, seine, unser, unsere, kein, keine, keinen, sehr, ganz, ich möchte, ich will,"
        " ich würde, ich würde gern, ich würde gerne, ich hätte gern, ich hätte gerne, ich brauche, ich muss,"
        " ich habe, ich suche, ich wollte, ich kann, ich bin, kann ich, können sie, könnten sie, kannst du, haben sie,"
        " hast du, gibt es, wie viel, zum beispiel, mein name ist, meine nummer ist, ich heiße, das ist, es ist,"
        " es gibt, jeder, jede, jedes, dieser, diese, dieses, zwischen, außerdem, also ich, und dann, oder vielleicht,"
        " vielleicht, entweder, weder, sowohl, noch ein, zum, zur, vom, beim, im, am, ins, je, pro, wobei, deren,"
        " welche, welcher, welches, sowie, bzw",
        leaning="in, auf, mit, von, zu, für, bei, nach, aus, über, unter, an, vor, um, durch, gegen, ohne, bis, seit,"
        " wegen, ist, sind, war, waren, hat, haben, hatte, wird, werden, wurde, kann, können, soll, muss, darf,"
        " möchte, will, würde, nicht, ich, wir, er, sie, man, es, sich, alle, viele, neue, neuen, erste, auch, nur,"
        " das",
        fillers="äh, ähm, öh, hm, mm, tja, na ja, naja, also, sagen wir, moment mal, lass mich überlegen, mal sehen",
        yes_no="ja, nein, doch, nö, jo, okay, ok, klar, genau, stimmt, richtig, gern, gerne, natürlich, sicher,"
        " in ordnung, auf keinen fall, noch nicht, nie, immer, vielleicht, ich glaube ja, ich glaube nicht, beides,"
        " gut, passt",
        whole="hallo, guten tag, guten morgen, guten abend, grüß gott, servus, moin, danke, danke schön, vielen dank,"
        " dankeschön, tschüss, auf wiedersehen, auf wiederhören, bis bald, bis dann, stopp, stop, halt, warte, moment,"
        " hilfe, das war's, das wars, das ist alles, weiß nicht, ich weiß nicht, keine ahnung, nochmal bitte,"
        " wie bitte, entschuldigung, vergiss es, egal, fertig, wie geht's, wie geht es ihnen, nichts weiter,"
        " abbrechen, was",
        closing="bitte, danke, vielen dank, danke schön, tschüss, heute, morgen, jetzt, sofort, mehr, nochmal,"
        " noch mal, nicht wahr, zurück, gern, gerne",
        asking="was, wann, wo, wer, warum, wie, welche, welcher, welches, wieso, wohin, woher, wen, wem, ist, sind,"
        " hat, haben, hast, kann, können, könnten, kannst, könntest, gibt, darf, muss, wird, werden, soll,"
        " um wie viel, wie viel, bis wann, ab wann, und wann, und wie, und was",
        wh="was, wann, wo, wer, warum, wie, welche, welcher, welches, wieso, wohin, woher, um wie viel, wie viel,"
        " bis wann, ab wann, und wann, und wie, und was",
        opening="wenn, weil, als, obwohl, während, bevor, nachdem, falls, sobald, da, und wenn, aber wenn, ob",
        commands="buchen, buche, storniere, stornieren, sag mir, sagen sie mir, gib mir, geben sie mir, zeig mir,"
        " ruf, rufen sie, öffne, schließe, mach, machen sie, stell, suche, such, schick, schicken sie, spiel,"
        " verbinden sie, verbinde, lies, wiederhole, lösche, nimm, erinnere mich",
        units="null, eins, ein, zwei, zwo, drei, vier, fünf, sechs, sieben, acht, neun, doppel",
        teens="zehn, elf, zwölf, dreizehn, vierzehn, fünfzehn, sechzehn, siebzehn, achtzehn, neunzehn",
        tens="zwanzig, dreißig, vierzig, fünfzig, sechzig, siebzig, achtzig, neunzig, hundert, tausend",
        asks_digits="nummer, ziffern, ziffer, zahl, stellen, code, pin, postleitzahl, geburtsdatum, telefon, konto,"
        " karte, zählerstand",
        asks_spelling="name, namen, adresse, anschrift, buchstabieren, e-mail, email, straße, kennzeichen",
    ),
    "fr": EndingWords(
        hanging="et, ou, mais, parce que, parce, que, qui, si, quand, comme, lorsque, puisque, car, donc, dont, le,"
        " la, les, un, une, des, du, au, aux, mon, ma, mes, ton, ta, tes, son, sa, ses, notre, nos, votre, vos, leur,"
        " leurs, ce, cet, cette, ces, l, d, j, qu, très, plus, trop, je voudrais, je veux, j'aimerais, je vais,"
        " j'ai besoin, j'ai besoin de, j'ai, je dois, je peux, je cherche, je suis, est-ce que, est-ce qu,"
        " pouvez-vous, pourriez-vous, puis-je, avez-vous, il y a, y a-t-il, je m'appelle, mon nom est, mon numéro est,"
        " c'est, il faut, chaque, plusieurs, quelques, afin de, afin que, pour que, ainsi que, alors que, par exemple,"
        " et puis, et alors, ni, soit, combien de, aussi, peut-être, alors, entre, pendant, quel, quelle, quels,"
        " quelles",
        leaning="de, à, en, dans, sur, sous, avec, sans, pour, par, chez, vers, contre, depuis, jusqu, est, sont,"
        " était, a, ont, avait, être, avoir, suis, peut, doit, va, vais, pas, ne, je, il, elle, on, nous, vous, se,"
        " me, te, y, premier, première, grand, petit, tout, toute, tous",
        fillers="euh, heu, hum, hm, mm, ben, bah, enfin, voyons, disons, attendez voir, je réfléchis",
        yes_no="oui, non, ouais, si, ok, okay, d'accord, bien sûr, exactement, voilà, c'est ça, tout à fait, jamais,"
        " pas encore, je crois, je pense que oui, peut-être, parfait, très bien, bon, les deux, aucun, entendu,"
        " certainement",
        whole="bonjour, bonsoir, salut, allô, merci, merci beaucoup, merci bien, au revoir, à bientôt, à demain,"
        " bonne nuit, stop, arrêtez, arrête, attendez, attends, pardon, excusez-moi, aidez-moi, c'est tout,"
        " rien d'autre, je ne sais pas, je sais pas, aucune idée, annulez, annule, répétez, encore une fois, ça va,"
        " comment allez-vous, comment ça va, laissez tomber, terminé, comment, un instant, une seconde",
        closing="s'il vous plaît, s'il te plaît, merci, merci beaucoup, au revoir, maintenant, aujourd'hui, demain,"
        " tout de suite, non plus, quoi, encore, du tout, rendez-vous",
        asking="que, quoi, quand, où, qui, pourquoi, comment, quel, quelle, quels, quelles, combien, est-ce que,"
        " est-ce, avez-vous, pouvez-vous, pourriez-vous, puis-je, peut-on, y a-t-il, à quelle, de quel, qu'est-ce,"
        " êtes-vous, c'est quoi, et quand, jusqu'à quelle",
        wh="que, quoi, quand, où, qui, pourquoi, comment, quel, quelle, quels, quelles, combien, à quelle, de quel",
        opening="si, quand, lorsque, parce que, comme, puisque, bien que, dès que, après, avant de, pendant que,"
        " et si",
        commands="réservez, réserve, annulez, annule, dites-moi, dis-moi, donnez-moi, donne-moi, montrez-moi,"
        " appelez, appelle, ouvrez, ouvre, mettez, mets, cherchez, cherche, envoyez, envoie, passez-moi, lisez,"
        " répétez, ajoutez, changez, fermez, ferme",
        units="zéro, un, une, deux, trois, quatre, cinq, six, sept, huit, neuf, double",
        teens="dix, onze, douze, treize, quatorze, quinze, seize",
        tens="vingt, trente, quarante, cinquante, soixante, cent, mille",
        asks_digits="numéro, chiffres, chiffre, code, pin, code postal, téléphone, date de naissance, compte, carte",
        asks_spelling="nom, prénom, adresse, épeler, épelez, e-mail, email, courriel, rue, immatriculation",
    ),
    "he": EndingWords(
        hanging="ו, או, אבל, כי, אם, כש, כאשר, ש, של, את, בגלל, למרות, כדי, עד ש, אני רוצה, אני צריך, אני צריכה,"
        " הייתי רוצה, אפשר, אתה יכול, את יכולה, האם, יש לכם, השם שלי הוא, קוראים לי, המספר שלי הוא, המספר שלי, זה ה,"
        " מאוד, יותר, כל, כמו, למשל, בין, לפני, אחרי, אולי, גם, רק, וגם, ואז, אז, כמה, איזה, אני מחפש, אני מחפשת,"
        " אני הולך, אני הולכת, בשביל, לגבי, בלי, אצל, ואני, שאני, הזה של, לפי",
        leaning="על, אל, עם, מ, ב, ל, ה, אני, אתה, הוא, היא, אנחנו, הם, זה, לא, יש, אין, היה, הייתה, יכול, יכולה,"
        " צריך, צריכה, רוצה, עוד, לי, לך",
        fillers="אה, אמ, אממ, אהמ, המ, אהה, טוב אז, נו, תן לי לחשוב, בוא נראה, כאילו",
        yes_no="כן, לא, בסדר, אוקיי, נכון, בטח, ברור, בדיוק, בהחלט, כמובן, אף פעם, עוד לא, אולי, סבבה, מצוין, שניהם,"
        " אני חושב שכן, אני חושבת שכן",
        whole="שלום, היי, בוקר טוב, ערב טוב, לילה טוב, תודה, תודה רבה, להתראות, ביי, עצור, חכה, חכי, רגע, די, סליחה,"
        " עזרה, זה הכל, לא יודע, לא יודעת, אין לי מושג, מה שלומך, מה נשמע, תחזור שוב, עוד פעם, בטל, לא משנה, מה",
        closing="בבקשה, תודה, תודה רבה, עכשיו, היום, מחר, להתראות, שוב, בכלל, נכון",
        asking="מה, מתי, איפה, מי, למה, איך, כמה, איזה, איזו, האם, לאן, מאיפה, אפשר, יש לכם, יש, אתם, עד מתי, באיזו",
        wh="",
        opening="אם, כש, כאשר, בגלל ש, למרות ש, אחרי ש, לפני ש, ואם, מכיוון ש",
        commands="תזמין, תזמיני, תבטל, תבטלי, תגיד לי, תגידי לי, תן לי, תני לי, תראה לי, תתקשר, תפתח, תחפש, תשלח,"
        " תעביר, תקרא, תסגור",
        units="אפס, אחת, אחד, שתיים, שניים, שלוש, שלושה, ארבע, ארבעה, חמש, חמישה, שש, שישה, שבע, שבעה, שמונה, תשע,"
        " תשעה",
        teens="עשר, עשרה, אחת עשרה, שתים עשרה",
        tens="עשרים, שלושים, ארבעים, חמישים, שישים, שבעים, שמונים, תשעים, מאה, אלף",
        asks_digits="מספר, ספרות, קוד, טלפון, תאריך לידה, חשבון, כרטיס, תעודת זהות, מיקוד",
        asks_spelling="שם, שמך, כתובת, לאיית, אימייל, דואר, רחוב",
    ),
    "hi": EndingWords(
        hanging="और, या, लेकिन, मगर, पर, क्योंकि, अगर, कि, जब, तो फिर, ताकि, जो, का, की, के, को, से, में, पे, के लिए,"
        " मुझे, मेरा, मेरी, मेरे, आपका, आपकी, आपके, हमारा, हमारी, उसका, उसकी, इस, उस, एक, बहुत, मैं, हम, आप, क्या आप,"
        " क्या मैं, मेरा नाम, मेरा नंबर, के बारे में, के साथ, के पास, जैसे, और फिर, शायद, सिर्फ, भी, फिर, इसलिए,"
        " बल्कि, कोई, हर, aur, ya, lekin, kyunki, agar, ki, ka, ke, ko, mein, mujhe, mera, meri, mere",
        leaning="तक, ने, यह, वह, वो, ये, नहीं, ही, कर, करना, जाना, होना, रहा, रही, वाला, वाली, से पहले, के बाद",
        fillers="उम, अं, अम, हम्म, मतलब, वो, अच्छा तो, देखिए, रुको सोचने दो, umm, matlab",
        yes_no="हाँ, हां, जी, जी हाँ, जी हां, नहीं, जी नहीं, ठीक है, ठीक, सही, बिल्कुल, अच्छा, ओके, हाँ जी, शायद,"
        " कभी नहीं, अभी नहीं, दोनों, haan, nahi, ji, theek hai",
        whole="नमस्ते, नमस्कार, हैलो, हेलो, धन्यवाद, शुक्रिया, बहुत धन्यवाद, अलविदा, फिर मिलेंगे, रुको, रुकिए, बस,"
        " माफ़ कीजिए, माफ कीजिए, मदद, बस इतना ही, पता नहीं, मुझे नहीं पता, कैसे हैं आप, आप कैसे हैं, फिर से, रद्द करो,"
        " क्या, एक मिनट, namaste",
        closing="है, हैं, हूँ, हूं, था, थी, थे, हो, होगा, होगी, चाहिए, दीजिए, कीजिए, दो, करो, करें, बताइए, बताओ,"
        " सकते हैं, सकता हूँ, गया, गई, क्या, न, ना, धन्यवाद, शुक्रिया, अभी, आज, कल, जी, hai, hain, chahiye, dijiye",
        asking="क्या, कब, कहाँ, कहां, कौन, क्यों, कैसे, कितना, कितने, कितनी, किस, किसका, kya, kab, kahan, kaun",
        wh="",
        opening="अगर, जब, क्योंकि, जब तक, हालांकि, चूंकि, और अगर, यदि",
        commands="बुक करो, रद्द करो, बताओ, बताइए, दिखाओ, दिखाइए, खोलो, बंद करो, कॉल करो, ढूंढो, भेजो",
        units="शून्य, ज़ीरो, जीरो, एक, दो, तीन, चार, पाँच, पांच, छह, छः, सात, आठ, नौ, डबल",
        teens="दस, ग्यारह, बारह, तेरह, चौदह, पंद्रह, सोलह, सत्रह, अठारह, उन्नीस",
        tens="बीस, तीस, चालीस, पचास, साठ, सत्तर, अस्सी, नब्बे, सौ, हज़ार, हजार",
        asks_digits="नंबर, अंक, कोड, पिन, फ़ोन, फोन, जन्म तिथि, खाता, कार्ड",
        asks_spelling="नाम, पता, स्पेलिंग, ईमेल, सड़क, गली",
    ),
    "zh": EndingWords(
        hanging="和, 跟, 与, 或, 或者, 但是, 可是, 不过, 因为, 所以, 如果, 要是, 虽然, 然后, 而且, 还有, 就是, 那个,"
        " 这个, 我想, 我要, 我想要, 我需要, 我得, 我在找, 我是, 我的, 你的, 他的, 她的, 我们的, 您的, 的, 把, 被, 给,"
        " 对, 在, 从, 到, 向, 往, 比, 为, 为了, 关于, 能不能, 可不可以, 你能, 您能, 能帮我, 帮我, 请问, 请, 我叫,"
        " 我的名字是, 我的号码是, 一个, 一, 很, 非常, 更, 最, 每, 某, 另外, 比如, 例如, 除了, 直到, 当, 有没有,"
        " 是不是, 以及, 并且, 只是, 也许, 可能, 就, 也, 都, 还, 會, 因為, 還有, 請, 請問, 為了, 這個, 雖然",
        leaning="是, 有, 想, 要, 会, 能, 可以, 我, 你, 他, 她, 我们, 他们, 不, 没, 没有, 第, 上, 下, 用, 让, 叫, 去,"
        " 做",
        fillers="嗯, 呃, 额, 那个, 这个, 就是说, 怎么说呢, 让我想想, 我想想, 唔",
        yes_no="是, 是的, 不是, 对, 对的, 不对, 好, 好的, 不, 不用, 行, 不行, 可以, 不可以, 没有, 有, 当然, 没问题,"
        " 没错, 要, 不要, 嗯, 还没有, 都可以, 都行, 也许, 對, 沒有, 沒問題",
        whole="你好, 您好, 喂, 早上好, 下午好, 晚上好, 谢谢, 谢谢你, 非常感谢, 多谢, 再见, 拜拜, 停, 停一下, 等一下,"
        " 等等, 不好意思, 对不起, 救命, 就这些, 没有了, 没了, 不知道, 我不知道, 再说一遍, 算了, 取消, 你好吗, 什么,"
        " 明白了, 知道了, 謝謝, 再見",
        closing="吗, 呢, 吧, 啊, 了, 谢谢, 好吗, 可以吗, 行吗, 对吗, 怎么样, 多少钱, 多少, 几点, 什么, 哪里, 哪儿,"
        " 呀, 啦, 嘛, 一下, 嗎, 謝謝, 怎麼樣, 多少錢, 什麼, 哪裡",
        asking="什么, 什么时候, 哪里, 哪, 谁, 为什么, 怎么, 多少, 几, 几点, 请问什么, 你们什么, 有没有, 能不能,"
        " 可不可以, 是不是",
        wh="",
        opening="如果, 要是, 因为, 虽然, 当, 既然, 只要, 除非, 假如, 等我, 由于, 因為, 雖然",
        commands="取消, 预订, 预定, 订, 告诉我, 给我, 打开, 关闭, 播放, 打电话给, 查一下, 查, 发送, 转到, 转接, 添加,"
        " 删除, 提醒我",
        units="零, 〇, 一, 幺, 二, 两, 三, 四, 五, 六, 七, 八, 九",
        teens="",
        tens="十, 百, 千, 万",
        asks_digits="号码, 数字, 位数, 密码, 验证码, 电话, 出生日期, 账号, 卡号, 邮编, 號碼, 電話",
        asks_spelling="名字, 姓名, 地址, 拼写, 邮箱, 邮件, 街道, 怎么写",
    ),
    "ja": EndingWords(
        hanging="は, が, を, に, と, の, へ, も, や, で, から, まで, より, って, という, ので, のに, けど, けれど,"
        " けれども, が、, し, て, たら, ば, なら, そして, それで, それから, でも, しかし, だから, なぜなら, もし,"
        " あるいは, または, 例えば, たとえば, 私の, 僕の, 私は, 僕は, あの, その, この, ある, 名前は, 番号は,"
        " 電話番号は, とても, もっと, ちょっと, 一番, について, のため, ために, として, ながら, たり, つまり, ええと,"
        " あと, なんか, さらに, 特に",
        leaning="した, する, いる, です、, ない, 次の, 多分, たぶん, いくつ, どの, どんな, 何",
        fillers="えーと, えっと, ええと, あのー, あの, その, うーん, んー, まあ, なんか, えー, そうですね、, ええっと",
        yes_no="はい, いいえ, いや, うん, ええ, そうです, 違います, ちがいます, 結構です, 大丈夫です, もちろん,"
        " わかりました, 了解です, お願いします, まだです, 多分, ないです, あります, いりません, オーケー, そう, 両方",
        whole="こんにちは, こんばんは, おはようございます, おはよう, もしもし, ありがとう, ありがとうございます,"
        " どうも, さようなら, 失礼します, またね, 止めて, 待って, ちょっと待って, すみません, 助けて, 以上です,"
        " それだけです, わかりません, 知りません, もう一度お願いします, もう一度, キャンセル, 元気ですか,"
        " お元気ですか, 何, いいです, 待ってください",
        closing="です, ます, ました, ません, でした, でしょう, でしょうか, ですか, ますか, ましたか, ください,"
        " お願いします, か, ね, よ, だ, たい, たいです, したいです, ありがとう, ありがとうございます, ですね, ですよ,"
        " だよ, かな, して, ほしい, ほしいです, いい",
        asking="何, いつ, どこ, 誰, だれ, なぜ, どうして, どう, いくら, 何時, どれ, どちら, どの",
        wh="",
        opening="もし, なぜなら, たとえ",
        commands="キャンセル, 予約, 教えて, 開けて, 閉めて, 電話して, 探して, 送って, 再生",
        units="ゼロ, 零, まる, 一, いち, 二, に, 三, さん, 四, よん, し, 五, ご, 六, ろく, 七, なな, しち, 八, はち,"
        " 九, きゅう, く",
        teens="",
        tens="十, じゅう, 百, 千, 万",
        asks_digits="番号, 桁, 数字, コード, 暗証番号, 電話, 生年月日, 口座, カード, 郵便番号",
        asks_spelling="名前, 氏名, 住所, つづり, メール, アドレス",
    ),
}  # fmt: skip
