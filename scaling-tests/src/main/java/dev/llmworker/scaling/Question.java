package dev.llmworker.scaling;

import dev.llmworker.scaling.Report.Card;
import dev.llmworker.scaling.Report.Tone;
import java.util.function.BiFunction;

/// The open questions about a balancer, whether a yes is good news, and how each is answered.
enum Question {
    IDLE_SOCKET_IN_FLIGHT("Does an idle WebSocket count as in flight?", Tone.GOOD, Verdicts::inFlight),
    SOCKET_CUT("Is a WebSocket cut, and when?", Tone.BAD, Verdicts::cut),
    UPGRADES_SERIALISE("Do concurrent upgrades wait for each other?", Tone.BAD, Verdicts::upgrades),
    AFFINITY("Does affinity hold (X-Runpod-Worker-Id)?", Tone.GOOD, Verdicts::affinity),
    PROXY_CLOSES_IDLE("Does the proxy close idle WebSockets?", Tone.BAD, Verdicts::proxy);

    private final String text;
    private final Tone ifYes;
    private final BiFunction<Question, ScalingRun, Card> verdict;

    Question(String text, Tone ifYes, BiFunction<Question, ScalingRun, Card> verdict) {
        this.text = text;
        this.ifYes = ifYes;
        this.verdict = verdict;
    }

    Card verdict(ScalingRun run) {
        return verdict.apply(this, run);
    }

    Card yes(String because, String advice) {
        return new Card(ifYes, text, "yes", because, advice);
    }

    Card no(String because, String advice) {
        return new Card(ifYes == Tone.GOOD ? Tone.BAD : Tone.GOOD, text, "no", because, advice);
    }

    Card cannotTell(String because, String advice) {
        return new Card(Tone.OPEN, text, "cannot tell", because, advice);
    }
}
