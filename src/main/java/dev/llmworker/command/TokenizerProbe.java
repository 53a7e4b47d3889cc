package dev.llmworker.command;

import dev.llmworker.assembly.LocalModel;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.chat.JinjaChatTemplate;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Encodes long runs with a model's tokenizer, in a process of its own: some texts make a tokenizer library end the
/// whole process.
public final class TokenizerProbe {
    /// How many characters are tried. The library takes a tenth of a second for them. A quadratic algorithm ends
    /// the process long before.
    private static final int CHARACTERS = 1 << 16;
    /// Of names, which are many.
    private static final int NAMES_CHARACTERS = 1 << 14;
    /// Most models have more control tokens, of few kinds.
    private static final int MAX_NAMES = 8;
    /// All probes take seconds. A machine may be busy.
    static final Duration LIMIT = Duration.ofMinutes(10);

    private static final String MARKS = "e\u0301\u0323\u0308\u0302\u0345";

    /// @param unit is repeated up to so many characters
    private record Probe(String name, String unit, int characters) {
        Probe(String name, String unit) {
            this(name, unit, CHARACTERS);
        }

        String text() {
            return unit.repeat(Math.max(1, characters / unit.length()));
        }
    }

    private static final List<Probe> RUNS = List.of(
            new Probe("a run of one letter", "x"),
            new Probe("a run of blanks", " "),
            new Probe("a run of line breaks", "\n"),
            new Probe("a run of digits", "7"),
            new Probe("a run of punctuation", "!"),
            new Probe("a run of combining marks", MARKS.substring(1)),
            new Probe("letters with combining marks", MARKS),
            new Probe("a run of Chinese characters", "\u4e2d\u6587"),
            new Probe("a run of emoji", "\ud83d\ude00\u200d"),
            new Probe("alternating letters and blanks", "x "),
            new Probe("characters that no text has", "\ufdd0\ufdd1\uffff"));

    private TokenizerProbe() {}

    /// @param model the located file or folder
    /// @throws ModelFileException if the process did not get through all texts
    static void check(Path model) throws IOException, InterruptedException {
        check(model, TokenizerProbe.class, LIMIT);
    }

    /// @param main is run by the other process. It prints the name of each text before it encodes it
    static void check(Path model, Class<?> main, Duration limit) throws IOException, InterruptedException {
        var output = Files.createTempFile("tokenizer-probe", ".txt");
        var process = new ProcessBuilder(command(model, main))
                .redirectOutput(output.toFile())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            var ended = process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
            if (!ended || process.exitValue() != 0) {
                throw new ModelFileException(model, problem(Files.readAllLines(output), ended, limit));
            }
        } finally {
            process.destroyForcibly();
            Files.delete(output);
        }
    }

    private static String problem(List<String> names, boolean ended, Duration limit) {
        if (names.isEmpty()) {
            return ended
                    ? "the tokenizer cannot be made: its library ends the process"
                    : "the tokenizer is not made after " + limit.toSeconds() + " s";
        }
        var text = names.getLast();
        return ended
                ? "the tokenizer's library ends the process at " + text + ": a client could stop the worker so"
                : "the tokenizer takes longer than " + limit.toSeconds() + " s for " + text;
    }

    private static List<String> command(Path model, Class<?> main) {
        var java = ProcessHandle.current().info().command().orElse("java");
        var command = new ArrayList<>(List.of(java, "-XX:-CreateCoredumpOnCrash", "-XX:+ExitOnOutOfMemoryError"));
        // It lives for a second or two, in which the optimising compiler would cost more than it gains.
        command.add("-XX:TieredStopAtLevel=1");
        command.add("-Xmx" + Runtime.getRuntime().maxMemory());
        command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-cp", System.getProperty("java.class.path")));
        command.addAll(List.of(main.getName(), model.toString()));
        return command;
    }

    /// The other process. What is wrong with the file, and not fatal, is found again by whoever started it.
    public static void main(String[] arguments) {
        try (var model = StoredModel.open(Path.of(arguments[0]))) {
            probe(LocalModel.prompts(model, JinjaChatTemplate.AUTO).tokenizer());
        } catch (IOException | IllegalArgumentException _) {
            System.exit(0);
        }
    }

    private static void probe(ModelTokenizer tokenizer) {
        var probes = new ArrayList<>(RUNS);
        tokenizer.controlTokens().keySet().stream().limit(MAX_NAMES).forEach(name -> {
            probes.add(new Probe("the name " + name + " again and again", name, NAMES_CHARACTERS));
            probes.add(new Probe("the beginning of " + name + " again and again", beginning(name), NAMES_CHARACTERS));
        });
        for (var probe : probes) {
            System.out.println(probe.name);
            try {
                var text = probe.text();
                tokenizer.encodeText(text);
                if (probe.characters < CHARACTERS) {
                    tokenizer.encodeWithControlTokens(text);
                }
            } catch (IllegalArgumentException _) {
                // Such a prompt is refused.
            } catch (UncheckedIOException e) {
                System.out.println(probe.name + " (" + e.getMessage() + ")");
                System.exit(1);
            }
        }
    }

    private static String beginning(String name) {
        return name.substring(0, name.offsetByCodePoints(0, (name.codePointCount(0, name.length()) + 1) / 2));
    }
}
