package dev.llmworker.command;

import dev.llmworker.assembly.LocalModel;
import dev.llmworker.engine.LanguageModel;
import dev.llmworker.generation.Task;
import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.check.DecoderSpeed;
import dev.llmworker.model.check.ReferenceRun;
import dev.llmworker.model.check.SamplerCheck;
import dev.llmworker.model.decoder.TorchDecoder;
import dev.llmworker.model.device.DeviceDescription;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.settings.SettingsTable;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/// Compares the configured model on its device with float32 on the CPU, and measures its speed. An operator runs
/// it on the machine that will serve.
///
/// @param measured the approximate duration of each speed measurement
public record DeviceCheck(Settings settings, PrintStream out, Duration measured) {
    private static final Duration MEASURED = Duration.ofSeconds(1);
    private static final int PROMPT_TOKENS = 512;
    /// Native kernels round some activations to 8 bits, but none of models in these types.
    private static final List<String> EXACT_FORMATS =
            List.of("fp32", "fp16", "native (Q8_0)", "native (F16)", "native (BF16)", "native (F32)");
    private static final String LONG =
            "The lighthouse keeper wrote down each ship that passed, its flag, its course and"
                    + " the weather, and at the end of the month he added them up. ";
    private static final List<String> PROMPTS = List.of(
            "The capital of France is",
            "def fibonacci(n):\n    ",
            "1, 1, 2, 3, 5, 8,",
            "Der Zug hatte Verspätung, und so",
            "{\"name\": \"worker\", \"ports\": [80,",
            LONG.repeat(12) + "One night",
            LONG.repeat(110));
    /// The tokens of the long prompt. It takes several calls on any device.
    private static final int LONG_TOKENS = 3000;

    public static DeviceCheck of(Settings settings) {
        return new DeviceCheck(settings, System.out, MEASURED);
    }

    /// @return whether the model's results on the device are correct
    /// @throws Exception if the model cannot be loaded, with the reason as the message
    public boolean run() throws Exception {
        var start = System.nanoTime();
        if (settings.get(SettingsTable.ENGINE) != SettingsTable.Engine.DJL) {
            throw new SettingsException("--self-test is for ENGINE=djl; the others have no device here");
        }
        var local = new LocalModel(settings);
        var language = local.load();
        if (language.task() != Task.GENERATE) {
            language.decoder().close();
            throw new SettingsException("--self-test compares what a model generates, and this one "
                    + language.task().words() + "; set TASK=generate");
        }
        try (var decoder = (TorchDecoder) language.decoder()) {
            var description = decoder.description();
            say("model", "%s (%s)", language.id(), description.architecture());
            say("device", "%s: %s", description.device(), DeviceDescription.of(description.device()));
            var speed = new DecoderSpeed(decoder);
            say(
                    "memory",
                    "weights in %s, %.3f GB of them read in a step; KV cache of %d slots of up to %d tokens, %.3f GB",
                    description.weightFormat(),
                    speed.stepBytes() / 1e9,
                    description.slots(),
                    description.contextLength(),
                    description.kvCacheBytes() / 1e9);
            ReferenceRun expected;
            try (var reference = local.reference(description.contextLength())) {
                expected = ReferenceRun.of(reference, prompts(language, reference));
            }
            var limit = limit(description);
            var passed = compared("logits", expected.compare(decoder), limit);
            passed &= compared("beside", expected.compareBeside(decoder), limit);
            passed &= drawn(new SamplerCheck(decoder).deviations());
            measure(speed);
            say("result", "%s after %.0f s", passed ? "passed" : "FAILED", (System.nanoTime() - start) / 1e9);
            return passed;
        }
    }

    private boolean compared(String subject, ReferenceRun.Divergence found, double limit) {
        // Not `>`: NaN must fail.
        var passed = found.meanKl() <= limit;
        say(
                subject,
                "%s: mean KL to float32 on the CPU %.1e at %d positions, limit %.0e; same likeliest token %.1f %%",
                passed ? "ok" : "WRONG",
                found.meanKl(),
                found.positions(),
                limit,
                found.sameLikeliest() * 100);
        return passed;
    }

    private boolean drawn(double deviations) {
        var passed = deviations <= SamplerCheck.MOST_DEVIATIONS;
        say(
                "sampler",
                "%s: %d drawn tokens, %.1f standard deviations off the logits' distribution at most, limit %.0f",
                passed ? "ok" : "WRONG",
                SamplerCheck.DRAWS,
                deviations,
                SamplerCheck.MOST_DEVIATIONS);
        return passed;
    }

    private void measure(DecoderSpeed speed) {
        var bytesPerSecond = speed.bandwidth(measured);
        say("bandwidth", "%.1f GB/s, read and written", bytesPerSecond / 1e9);
        for (var decoding : speed.decoding(measured, bytesPerSecond)) {
            say(
                    "decoding",
                    "%3d %s: %.0f tokens/s, %.0f %% of the bandwidth bound of %.0f",
                    decoding.rows(),
                    decoding.rows() == 1 ? "sequence" : "sequences",
                    decoding.tokensPerSecond(),
                    decoding.tokensPerSecond() / decoding.bound() * 100,
                    decoding.bound());
        }
        say("prompts", "%.0f tokens/s", speed.promptTokensPerSecond(PROMPT_TOKENS, measured));
    }

    /// The texts as raw prompts, cut to the length that both contexts hold.
    private static List<int[]> prompts(LanguageModel language, TorchDecoder reference) {
        var context = Math.min(
                reference.description().contextLength(),
                language.decoder().description().contextLength());
        return PROMPTS.stream()
                .map(text -> language.prompts().encodeRaw(text, Integer.MAX_VALUE))
                .map(ids ->
                        Arrays.copyOf(ids, Math.min(Math.min(ids.length, LONG_TOKENS), context - ReferenceRun.STEPS)))
                .toList();
    }

    /// The limit for the mean KL. Rounding causes less than a fifth of it with the starter model: float16 1.6e-5,
    /// bfloat16 1.2e-3, quantised weights in libtorch 1e-3, and native kernels 1.5e-3 with activations of 8 bits. A
    /// wrong position, head or row gives 0.02 and more.
    static double limit(DecoderDescription description) {
        var format = description.weightFormat();
        return EXACT_FORMATS.stream().anyMatch(format::startsWith) ? 1e-3 : 1e-2;
    }

    private void say(String subject, String format, Object... values) {
        out.printf(Locale.ROOT, "%-9s %s%n", subject, String.format(Locale.ROOT, format, values));
    }
}
