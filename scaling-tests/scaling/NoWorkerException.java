package scaling;

import client.Answer;
import client.Figures;
import java.util.List;

/// No worker became healthy in time.
public final class NoWorkerException extends Exception {
    private static final long serialVersionUID = 1;

    NoWorkerException(String address, double seconds, List<Answer> answers) {
        super("no healthy answer from " + address + " in " + Figures.seconds(seconds) + "; the last of "
                + Figures.count(answers.size(), "try").replace("trys", "tries") + ": "
                + answers.getLast().outcome() + hint(answers.getLast()));
    }

    private static String hint(Answer last) {
        return switch (last.status()) {
            case 401, 403 -> " (is --token right? keys of the worker's own go into --header 'X-API-Key: …')";
            case 404 -> " (is --url right? on RunPod: is the endpoint's type Load Balancer?)";
            case 204 -> " (the worker is there and still loads: a longer --wait)";
            case 400, 502, 503, 524 -> " (no worker started in time: a longer --wait; on RunPod see the workers' logs)";
            default -> "";
        };
    }
}
