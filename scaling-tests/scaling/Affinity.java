package scaling;

import static scaling.Verdict.Finding.CANNOT_TELL;
import static scaling.Verdict.Finding.NO;
import static scaling.Verdict.Finding.YES;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/// Whether a worker that is asked for by name is the one that answers, requests and upgrades alike.
final class Affinity {
    private final Optional<AffinityProbe> probe;

    Affinity(MixedTest test) {
        probe = test.affinity();
    }

    Verdict verdict() {
        var workers = probe.map(AffinityProbe::workers).orElse(java.util.List.of());
        if (probe.isEmpty()) {
            return told(CANNOT_TELL, "The mixed test did not come so far.", "");
        }
        if (workers.isEmpty()) {
            return told(CANNOT_TELL, "No answer has a worker's id (X-Worker-Id or X-Runpod-Worker-Id).", "");
        }
        if (workers.size() == 1) {
            return told(
                    CANNOT_TELL,
                    "Only one worker was seen, " + workers.getFirst() + ".",
                    "Set min workers to 2, or more --connections than one worker gets.");
        }
        var requests = probe.orElseThrow().tally("requests");
        var upgrades = probe.orElseThrow().tally("upgrades");
        var counts = probe.orElseThrow().tallies().entrySet().stream()
                .map(way -> way.getValue().kept() + " of " + way.getValue().asked() + " " + way.getKey())
                .collect(Collectors.joining("; "));
        var because = "Of " + workers.size() + " workers, the one asked for answered " + counts + ".";
        if (requests.lost() > 0 || upgrades.lost() > 0) {
            return told(NO, because, "Clients must not count on meeting the same worker again.");
        }
        if (requests.held() && upgrades.held()) {
            return told(YES, because, "");
        }
        return told(
                CANNOT_TELL, because + (upgrades.held() ? "" : " The upgrades had no id on their 101, or failed."), "");
    }

    private Verdict told(Verdict.Finding finding, String because, String advice) {
        var figures = new LinkedHashMap<String, Object>();
        probe.ifPresent(probed -> {
            figures.put("workers", probed.workers());
            probed.tallies()
                    .forEach((way, tally) -> figures.put(
                            way, Map.of("kept", tally.kept(), "lost", tally.lost(), "unknown", tally.unknown())));
        });
        return Verdict.of(Verdict.Question.AFFINITY, finding, because, advice, figures);
    }
}
