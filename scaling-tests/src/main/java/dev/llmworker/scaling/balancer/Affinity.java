package dev.llmworker.scaling.balancer;

import static dev.llmworker.scaling.balancer.Verdict.Finding.CANNOT_TELL;
import static dev.llmworker.scaling.balancer.Verdict.Finding.NO;
import static dev.llmworker.scaling.balancer.Verdict.Finding.YES;

import dev.llmworker.scaling.client.Json;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/// Whether the requested worker is the one that answers, for requests and upgrades alike.
final class Affinity {
    private Affinity() {}

    static Verdict verdict(Optional<AffinityProbe> probe) {
        if (probe.isEmpty()) {
            return because(CANNOT_TELL, "The mixed test did not get that far.", "", Map.of());
        }
        var probed = probe.get();
        var figures = Json.object("workers", probed.workers());
        probed.tallies()
                .forEach((way, tally) -> figures.put(
                        way, Json.object("kept", tally.kept(), "lost", tally.lost(), "unknown", tally.unknown())));
        if (probed.workers().isEmpty()) {
            return because(
                    CANNOT_TELL, "No answer has a worker's id (X-Worker-Id or X-Runpod-Worker-Id).", "", figures);
        }
        if (probed.workers().size() == 1) {
            return because(
                    CANNOT_TELL,
                    "Only one worker was seen, " + probed.workers().getFirst() + ".",
                    "Set min workers to 2, or use more --connections than one worker gets.",
                    figures);
        }
        var requests = probed.tally(AffinityProbe.REQUESTS);
        var upgrades = probed.tally(AffinityProbe.UPGRADES);
        var counts = probed.tallies().entrySet().stream()
                .map(way -> way.getValue().kept() + " of " + way.getValue().asked() + " " + way.getKey())
                .collect(Collectors.joining("; "));
        var because = "There are %d workers. The requested one answered %s."
                .formatted(probed.workers().size(), counts);
        if (requests.lost() > 0 || upgrades.lost() > 0) {
            return because(NO, because, "Clients must not rely on reaching the same worker again.", figures);
        }
        if (requests.held() && upgrades.held()) {
            return because(YES, because, "", figures);
        }
        var why = upgrades.held() ? "" : " The upgrades had no id on their 101, or failed.";
        return because(CANNOT_TELL, because + why, "", figures);
    }

    private static Verdict because(
            Verdict.Finding finding, String because, String advice, Map<String, Object> figures) {
        return new Verdict(Verdict.Question.AFFINITY, finding, because, advice, figures);
    }
}
