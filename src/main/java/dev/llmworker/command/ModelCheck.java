package dev.llmworker.command;

import dev.llmworker.assembly.LocalModel;
import dev.llmworker.generation.Task;
import dev.llmworker.hub.ModelLocator;
import dev.llmworker.hub.progress.Progress;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.decoder.ModelSummary;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.settings.SettingsTable;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.ChatTemplate;
import java.io.IOException;
import java.io.PrintStream;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Runs `./worker --check-model MODEL`: reads a whole model and reports whether it can be served, without serving
/// it.
public final class ModelCheck {
    private static final int SOUND = 0;
    private static final int UNSOUND = 1;
    private static final int MAX_SHOWN_ENDS = 8;

    private ModelCheck() {}

    /// @param model a value of the variable `MODEL`; a model that is only on the hub is downloaded
    /// @param environment a worker's variables: `DEVICE`, `MAX_SLOTS` and so on apply
    /// @return the exit status: 0 if the model is valid, otherwise 1
    public static int run(String model, Map<String, String> environment, PrintStream out)
            throws SettingsException, InterruptedException {
        var chosen = new HashMap<>(environment);
        chosen.put("MODEL", model);
        var settings = Settings.read(chosen);
        try {
            var located = new ModelLocator(settings::value, Progress.ofThisProcess()).locate();
            try (var stored = Architectures.open(located.file())) {
                var local = new LocalModel(settings);
                var options = local.options();
                var summary = ModelSummary.of(stored, options);
                TokenizerProbe.check(located.file());
                var prompts = LocalModel.prompts(stored, settings.get(SettingsTable.TOOL_FORMAT));
                report(located.name(), summary, local.task(stored), prompts, out);
                if (summary.device().equals("cpu")) {
                    line(out, "speed", speed(summary, options.threads()));
                }
            }
            return SOUND;
        } catch (IOException | IllegalArgumentException e) {
            out.println("not sound: " + e.getMessage());
            return UNSOUND;
        }
    }

    private static void report(
            String name, ModelSummary summary, Task task, LocalModel.Prompts prompts, PrintStream out) {
        var tokenizer = prompts.tokenizer();
        out.println(name + ": sound");
        line(out, "architecture", summary.architecture() + ", " + summary.sizes());
        line(out, "weights", summary.weights());
        if (!summary.quantisation().isEmpty()) {
            line(out, "quantised", summary.quantisation());
        }
        var does = task == Task.GENERATE ? "" : "; " + task.words();
        line(out, "served", "on " + summary.device() + " as " + summary.weightFormat() + does);
        for (var type : summary.held()) {
            line(out, type == summary.held().getFirst() ? "types" : "", type.toString());
        }
        line(out, "tokenizer", tokenizer.vocabularySize() + " tokens; " + ends(tokenizer));
        line(out, "chat template", template(prompts.encoder().template()));
        line(out, "tool calls", prompts.encoder().tools());
        line(out, "memory", summary.memory().toString());
    }

    /// Of one answer alone, with an empty context.
    ///
    /// @param threads 0: one for each processor
    private static String speed(ModelSummary summary, int threads) throws InterruptedException {
        var count = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
        var bandwidth = MemoryBandwidth.measure(count);
        return String.format(
                Locale.ROOT,
                "at most %.0f tokens a second in one answer: a token reads %.2f GB of weights, and %s %.1f GB a second"
                        + " here and now; real answers are slower",
                bandwidth / summary.stepBytes(),
                summary.stepBytes() / 1e9,
                count == 1 ? "a thread reads" : count + " threads read",
                bandwidth / 1e9);
    }

    private static void line(PrintStream out, String subject, String text) {
        out.printf("  %-14s %s%n", subject, text);
    }

    private static String ends(ModelTokenizer tokenizer) {
        var ends = tokenizer.controlTokens().entrySet().stream()
                .filter(token -> tokenizer.isEndOfSequence(token.getValue()))
                .map(Map.Entry::getKey)
                .sorted()
                .limit(MAX_SHOWN_ENDS)
                .collect(Collectors.joining(", "));
        return ends.isEmpty()
                ? "none of them ends an answer, so each is as long as it may be"
                : "answers end by " + ends;
    }

    private static String template(@Nullable ChatTemplate template) {
        if (template == null) {
            return "none; prompts go to the model as they are";
        }
        try {
            var rendered = template.render(List.of(ChatMessage.user("Hello")), List.of(), Map.of());
            return "a user's Hello becomes " + rendered.replace("\n", "\\n");
        } catch (IllegalArgumentException e) {
            return "usable, but not for a user's message alone: " + e.getMessage();
        }
    }
}
