"""What a speech model must be told to behave when it is interrupted: a section of its instructions, and notes in the
conversation of what was heard, each in the agent's language.

    instructions("You book tables for the Blue Door.", language="de")

A model that was cut knows only that its sound ended. Left to itself it finishes the sentence, begins it anew, or
believes that the caller knows what it never said.
"""

from __future__ import annotations

from dataclasses import dataclass

from bargein.protocols import AgentSaid, SaidOver
from bargein.units import last_units, spans

QUOTED_WORDS = 12  # the end of what was heard, as far as needed to find the place again


@dataclass(frozen=True, slots=True)
class Wording:
    """One language's words. section: on being interrupted; the rest are notes, with their places in braces."""

    section: str
    cut: str  # heard, unheard
    cut_unheard: str  # unheard
    backchannel: str  # text
    over: str  # text
    exactly: str  # text
    tell: str
    late_tool: str  # tool, result


WORDINGS = {
    "en": Wording(
        section="""\
# When you are interrupted
You are on a live voice call, and the caller can speak at any moment.
- When the caller speaks, stop at once. Do not finish the sentence.
- Never talk over the caller.
- Answer what the caller said last.
- Do not take up the interrupted sentence again, unless the caller asks you to. Never repeat what was heard.
- Notes from the system say which of your words the caller heard. Only those count as said.
- "Mm-hmm" and the like mean that the caller listens: they answer nothing, and need no answer.""",
        cut='The caller interrupted you here. They heard your words up to "{heard}". They did not hear: "{unheard}"',
        cut_unheard='The caller interrupted you before any of your words were heard. They did not hear: "{unheard}"',
        backchannel='The caller said "{text}" meanwhile, only to show that they listen. It answers nothing.',
        over='The caller said this over your words "{text}".',
        exactly="Say exactly the following, word for word, and nothing else:\n{text}",
        tell="Tell the caller briefly what has come of what you did for them.",
        late_tool="{tool} is done meanwhile. Its result: {result}",
    ),
    "de": Wording(
        section="""\
# Wenn du unterbrochen wirst
Du führst ein Live-Gespräch, und dein Gegenüber kann jederzeit sprechen.
- Wenn es spricht, hör sofort auf. Sprich den Satz nicht zu Ende.
- Rede deinem Gegenüber nie dazwischen.
- Antworte auf das zuletzt Gesagte.
- Nimm den unterbrochenen Satz nicht wieder auf, außer du wirst darum gebeten. Wiederhole nie, was schon gehört wurde.
- Hinweise des Systems sagen, welche deiner Worte gehört wurden. Nur diese gelten als gesagt.
- "Mhm" und Ähnliches heißt, dass dein Gegenüber zuhört: Es ist keine Antwort und braucht keine.""",
        cut='Du wurdest hier unterbrochen. Gehört wurden deine Worte bis "{heard}". Nicht gehört wurde: "{unheard}"',
        cut_unheard='Du wurdest unterbrochen, bevor etwas von dir zu hören war. Nicht gehört wurde: "{unheard}"',
        backchannel='Dein Gegenüber sagte dabei "{text}", nur zum Zeichen, dass es zuhört. Das ist keine Antwort.',
        over='Das wurde zu deinen Worten "{text}" gesagt.',
        exactly="Sage genau das Folgende, Wort für Wort, und sonst nichts:\n{text}",
        tell="Sage kurz, was aus dem geworden ist, was du getan hast.",
        late_tool="{tool} ist inzwischen fertig. Ergebnis: {result}",
    ),
    "es": Wording(
        section="""\
# Cuando te interrumpen
Estás en una llamada de voz en directo, y la otra persona puede hablar en cualquier momento.
- Cuando hable, calla al instante. No termines la frase.
- No hables nunca por encima de la otra persona.
- Responde a lo último que haya dicho.
- No retomes la frase interrumpida, salvo que te lo pida. No repitas nunca lo que ya se oyó.
- Las notas del sistema dicen qué palabras tuyas se oyeron. Solo esas cuentan como dichas.
- "Ajá" y similares indican que te escucha: no responden a nada ni necesitan respuesta.""",
        cut='Te interrumpieron aquí. Se oyeron tus palabras hasta "{heard}". No se oyó: "{unheard}"',
        cut_unheard='Te interrumpieron antes de que se oyera ninguna palabra tuya. No se oyó: "{unheard}"',
        backchannel='La otra persona dijo "{text}" mientras tanto, solo para mostrar que escucha. No responde a nada.',
        over='Esto se dijo por encima de tus palabras "{text}".',
        exactly="Di exactamente lo siguiente, palabra por palabra, y nada más:\n{text}",
        tell="Cuenta brevemente en qué ha quedado lo que hiciste.",
        late_tool="{tool} ha terminado entretanto. Resultado: {result}",
    ),
    "fr": Wording(
        section="""\
# Quand on t'interrompt
Tu es en conversation vocale en direct, et ton interlocuteur peut parler à tout moment.
- Quand il parle, tais-toi aussitôt. Ne finis pas ta phrase.
- Ne parle jamais en même temps que lui.
- Réponds à ce qu'il a dit en dernier.
- Ne reprends pas la phrase interrompue, sauf s'il te le demande. Ne répète jamais ce qui a été entendu.
- Des notes du système disent lesquels de tes mots ont été entendus. Seuls ceux-là comptent comme dits.
- "Mm-hmm" et autres signifient qu'il t'écoute : ce n'est pas une réponse, et cela n'en demande pas.""",
        cut='On t\'a interrompu ici. Tes mots ont été entendus jusqu\'à "{heard}". Pas entendu : "{unheard}"',
        cut_unheard="On t'a interrompu avant qu'un seul de tes mots soit entendu. Pas entendu : \"{unheard}\"",
        backchannel='Ton interlocuteur a dit "{text}" entre-temps, pour montrer qu\'il écoute. Cela ne répond à rien.',
        over='Cela a été dit pendant tes mots "{text}".',
        exactly="Dis exactement ce qui suit, mot pour mot, et rien d'autre :\n{text}",
        tell="Dis brièvement ce qu'a donné ce que tu as fait.",
        late_tool="{tool} est terminé entre-temps. Résultat : {result}",
    ),
    "it": Wording(
        section="""\
# Quando ti interrompono
Sei in una chiamata vocale dal vivo, e l'altra persona può parlare in qualsiasi momento.
- Quando parla, taci subito. Non finire la frase.
- Non parlare mai sopra l'altra persona.
- Rispondi all'ultima cosa che ha detto.
- Non riprendere la frase interrotta, a meno che te lo chieda. Non ripetere mai ciò che è stato sentito.
- Le note del sistema dicono quali tue parole sono state sentite. Solo quelle valgono come dette.
- "Mm-hmm" e simili significano che ti ascolta: non rispondono a nulla e non chiedono risposta.""",
        cut='Ti hanno interrotto qui. Le tue parole sono state sentite fino a "{heard}". Non sentito: "{unheard}"',
        cut_unheard='Ti hanno interrotto prima che si sentisse una tua parola. Non sentito: "{unheard}"',
        backchannel='L\'altra persona ha detto "{text}" intanto, per mostrare che ascolta. Non risponde a nulla.',
        over='Questo è stato detto sopra le tue parole "{text}".',
        exactly="Di' esattamente quanto segue, parola per parola, e nient'altro:\n{text}",
        tell="Di' brevemente com'è finito ciò che hai fatto.",
        late_tool="{tool} nel frattempo ha finito. Risultato: {result}",
    ),
    "nl": Wording(
        section="""\
# Als je wordt onderbroken
Je voert een live gesprek, en de beller kan op elk moment spreken.
- Als de beller spreekt, zwijg dan meteen. Maak de zin niet af.
- Praat nooit door de beller heen.
- Antwoord op wat de beller het laatst zei.
- Pak de onderbroken zin niet weer op, tenzij de beller erom vraagt. Herhaal nooit wat al gehoord is.
- Notities van het systeem zeggen welke van je woorden gehoord zijn. Alleen die gelden als gezegd.
- "Mm-hmm" en dergelijke betekenen dat de beller luistert: het is geen antwoord en vraagt er geen.""",
        cut='Je werd hier onderbroken. Je woorden zijn gehoord tot "{heard}". Niet gehoord: "{unheard}"',
        cut_unheard='Je werd onderbroken voordat er iets van je te horen was. Niet gehoord: "{unheard}"',
        backchannel='De beller zei intussen "{text}", om te laten merken dat hij luistert. Het is geen antwoord.',
        over='Dit werd gezegd over je woorden "{text}" heen.',
        exactly="Zeg precies het volgende, woord voor woord, en verder niets:\n{text}",
        tell="Vertel kort wat er is geworden van wat je deed.",
        late_tool="{tool} is intussen klaar. Resultaat: {result}",
    ),
    "pt": Wording(
        section="""\
# Quando és interrompido
Estás numa chamada de voz em direto, e a outra pessoa pode falar a qualquer momento.
- Quando ela falar, cala-te de imediato. Não termines a frase.
- Nunca fales por cima da outra pessoa.
- Responde ao que ela disse por último.
- Não retomes a frase interrompida, a menos que ela peça. Nunca repitas o que já foi ouvido.
- Notas do sistema dizem quais das tuas palavras foram ouvidas. Só essas contam como ditas.
- "Mm-hmm" e afins querem dizer que te escuta: não respondem a nada nem precisam de resposta.""",
        cut='Foste interrompido aqui. As tuas palavras foram ouvidas até "{heard}". Não se ouviu: "{unheard}"',
        cut_unheard='Foste interrompido antes de se ouvir qualquer palavra tua. Não se ouviu: "{unheard}"',
        backchannel='A outra pessoa disse "{text}" entretanto, só para mostrar que escuta. Não responde a nada.',
        over='Isto foi dito por cima das tuas palavras "{text}".',
        exactly="Diz exatamente o seguinte, palavra por palavra, e mais nada:\n{text}",
        tell="Diz brevemente o que resultou do que fizeste.",
        late_tool="{tool} terminou entretanto. Resultado: {result}",
    ),
}


def wording(language: str) -> Wording:
    """The language's, or English, which every model knows. language: "de", "pt-BR"."""
    return WORDINGS.get(language.partition("-")[0].lower(), WORDINGS["en"])


def instructions(own: str, language: str = "en") -> str:
    """The agent's own instructions, and after them how to behave when interrupted."""
    primary = language.partition("-")[0].lower()
    parts = [own.strip(), wording(language).section]
    if primary != "en":
        parts.append(f'Speak the language with the code "{language}", unless the caller asks for another.')
    return "\n\n".join(part for part in parts if part)


def cut_note(said: AgentSaid, language: str = "en") -> str:
    """What is to stand behind a reply that was cut. Empty when it had no words at all."""
    words = wording(language)
    heard, unheard = said.text.strip(), said.unheard.strip()
    if not heard and not unheard:
        return ""
    if not heard:
        return words.cut_unheard.format(unheard=unheard)
    return words.cut.format(heard=last_words(heard), unheard=unheard)


def backchannel_note(text: str, language: str = "en") -> str:
    """A "mm-hmm" that was no turn."""
    return wording(language).backchannel.format(text=text.strip())


def over_note(over: SaidOver, language: str = "en") -> str:
    """What a turn of the user was said over."""
    return wording(language).over.format(text=over.text.strip())


def last_words(text: str, count: int = QUOTED_WORDS) -> str:
    """The last words of a text, with an ellipsis in front when there were more."""
    return ("…" if len(spans(text)) > count else "") + last_units(text, count)
