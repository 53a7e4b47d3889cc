package dev.llmworker.assembly;

import dev.llmworker.engine.LanguageModel;
import dev.llmworker.engine.stored.PrefixFolder;
import dev.llmworker.generation.Task;
import dev.llmworker.hub.LocatedModel;
import dev.llmworker.hub.ModelLocator;
import dev.llmworker.hub.progress.Progress;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.decoder.TorchDecoder;
import dev.llmworker.model.device.Devices;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.model.device.Precision;
import dev.llmworker.settings.Setting;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsTable;
import dev.llmworker.stats.Count;
import dev.llmworker.stats.Stages;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.chat.JinjaChatTemplate;
import dev.llmworker.text.chat.PromptEncoder;
import dev.llmworker.text.gguf.GgufTokenizer;
import dev.llmworker.text.hub.HubTokenizer;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.Safetensors;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.LongConsumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Loads the model that `MODEL` names, from the hub or the disk into memory.
///
/// Threading: [#load()] runs on the engine thread. The model's file is read there too, or before on a thread of its
/// own: see [#startReading()].
public final class LocalModel {
    private static final Logger LOG = LoggerFactory.getLogger(LocalModel.class);
    private static final int REFERENCE_CONTEXT = 4096;
    private static final Pattern ALL_ADDRESSES = Pattern.compile("//(?:0\\.0\\.0\\.0|\\[::]):");

    private final Settings settings;
    private final Progress progress = Progress.ofThisProcess();
    private final FutureTask<Found> reading = new FutureTask<>(this::find);

    /// A model whose header was read. Its checksum and its tokenizer are computed beside what follows.
    ///
    /// @param model is closed by [#load()]
    private record Found(
            LocatedModel located, StoredModel model, FutureTask<LocatedModel> check, FutureTask<Prompts> prompts) {}

    public LocalModel(Settings settings) {
        this.settings = settings;
    }

    /// Begins to read the model's file, if it is on this machine, and returns at once. What this does not begin,
    /// [#load()] does: a download must wait until the worker has its port.
    void startReading() {
        if (locator().isOnThisMachine()) {
            Thread.ofPlatform().name("model").daemon().start(reading);
        }
    }

    private ModelLocator locator() {
        return new ModelLocator(settings::value, progress);
    }

    private Found find() throws IOException, InterruptedException {
        Libtorch.checkGpu(settings.get(SettingsTable.DEVICE));
        var located = locator().locate();
        // Runs beside all that follows.
        var check = inBackground("checksum", () -> {
            located.check();
            return located;
        });
        var model = Architectures.open(located.file());
        // Runs while the weights are loaded: it needs only the metadata.
        var prompts = inBackground("tokenizer", () -> prompts(model, settings.get(SettingsTable.TOOL_FORMAT)));
        return new Found(located, model, check, prompts);
    }

    private Found found() throws IOException, InterruptedException, ExecutionException {
        // Returns at once if another thread does it or has done it.
        reading.run();
        try {
            return reading.get();
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case IOException cause -> throw cause;
                case InterruptedException cause -> throw cause;
                case RuntimeException cause -> throw cause;
                case Error cause -> throw cause;
                case null, default -> throw e;
            }
        }
    }

    /// Finds, maps and loads the model. May be called once.
    public LanguageModel load() throws IOException, InterruptedException, ExecutionException {
        var beforeMillis = ProcessAge.millis();
        var stages = new Stages();
        var found = found();
        stages.ended("the file and its header");
        var located = found.located();
        LOG.info("loading {}", located.file().getFileName());
        try (var model = found.model()) {
            var task = task(model);
            var folder = prefixFolder(task);
            // Reads all files once more, beside the loading.
            var fingerprint = folder == null ? null : inBackground("fingerprint", () -> ModelFingerprint.of(model));
            var decoder = TorchDecoder.load(model, options(task), reporting(progress, model), stages);
            try {
                progress.done();
                var read = found.prompts().get();
                var language = new LanguageModel(
                        decoder,
                        read.tokenizer(),
                        read.encoder(),
                        located.name(),
                        task,
                        task == Task.GENERATE ? null : ServedTask.encoder(task, decoder, model, read.tokenizer()),
                        folder == null || fingerprint == null
                                ? null
                                : PrefixFolder.open(folder, fingerprint.get(), sharing()));
                stages.ended("waiting for the tokenizer");
                found.check().get();
                stages.ended("waiting for the checksum");
                LOG.info("loaded {} ms after the start: {} ms before, {}", ProcessAge.millis(), beforeMillis, stages);
                return language;
            } catch (Throwable e) {
                decoder.close();
                throw e;
            }
        }
    }

    /// The folder of `PREFIX_CACHE_DIR`; null if there is none, or nothing would be kept in it.
    ///
    /// @throws IllegalArgumentException if it cannot be used
    @Nullable
    Path prefixFolder(Task task) {
        var name = settings.orNull(SettingsTable.PREFIX_CACHE_DIR);
        if (name == null || task != Task.GENERATE) {
            return null;
        }
        if (options().copiesBytes() == 0) {
            LOG.warn("PREFIX_CACHE_DIR has no effect, because PREFIX_CACHE_BYTES is 0");
            return null;
        }
        if (Devices.isGpuMeant(settings.get(SettingsTable.DEVICE))) {
            LOG.warn("PREFIX_CACHE_DIR has no effect, because evicted prefixes are not copied from a GPU");
            return null;
        }
        var folder = Path.of(name);
        PrefixFolder.prepare(folder);
        return folder;
    }

    private String sharing() {
        return settings.get(SettingsTable.PREFIX_SHARING).name();
    }

    /// The same model in float32 on the CPU, for one sequence.
    ///
    /// @param contextLength may be more than the sequence needs
    public TorchDecoder reference(int contextLength) throws IOException, InterruptedException {
        var length = Math.min(contextLength, REFERENCE_CONTEXT);
        var exact = new DecoderOptions(
                        Precision.FP32, Precision.FP32, 1, length, orZero(SettingsTable.THREADS), "cpu", false)
                .withCopies(0);
        var located = new ModelLocator(settings::value, Progress.ofThisProcess()).locate();
        try (var model = Architectures.open(located.file())) {
            return TorchDecoder.load(model, exact, _ -> {});
        }
    }

    /// What a model is served as.
    ///
    /// @throws IllegalArgumentException if it cannot do what `TASK` says
    public Task task(StoredModel model) throws ModelFileException {
        return ServedTask.of(settings.get(SettingsTable.TASK), model);
    }

    /// As [#options()]. What makes vectors reuses no prefixes.
    private DecoderOptions options(Task task) {
        return task == Task.GENERATE ? options() : options().withCopies(0);
    }

    public DecoderOptions options() {
        return new DecoderOptions(
                precision(SettingsTable.DTYPE),
                precision(SettingsTable.KV_CACHE_DTYPE),
                orZero(SettingsTable.MAX_SLOTS),
                orZero(SettingsTable.MAX_MODEL_LEN),
                orZero(SettingsTable.THREADS),
                settings.get(SettingsTable.DEVICE),
                settings.get(SettingsTable.DETERMINISTIC),
                Kernels.valueOf(settings.get(SettingsTable.KERNELS).toUpperCase(Locale.ROOT)),
                Objects.requireNonNullElse(
                        settings.orNull(SettingsTable.PREFIX_CACHE_BYTES), DecoderOptions.COPIES_AS_FIT));
    }

    private Precision precision(Setting<String> setting) {
        return Precision.valueOf(settings.get(setting).toUpperCase(Locale.ROOT));
    }

    /// The setting's value; 0 leaves the choice to the decoder.
    private int orZero(Setting<Integer> setting) {
        return Objects.requireNonNullElse(settings.orNull(setting), 0);
    }

    private static LongConsumer reporting(Progress progress, StoredModel model) {
        progress.stage("loading " + model.file().getFileName(), model.tensorBytes());
        return new LongConsumer() {
            private long reported;

            @Override
            public void accept(long bytesDone) {
                progress.advanced(bytesDone - reported);
                reported = bytesDone;
            }
        };
    }

    /// Logs the facts about a ready worker that an operator needs.
    ///
    /// @param url of the worker
    void announce(LanguageModel model, String url) {
        var decoder = model.decoder().description();
        LOG.info(
                "ready: {} ({}, {}) on {}, {} of up to {} tokens, KV cache {} MB for {} tokens",
                model.id(),
                decoder.architecture(),
                decoder.weightFormat(),
                decoder.device(),
                Count.of(decoder.slots(), "slot"),
                decoder.contextLength(),
                decoder.kvCacheBytes() / 1_000_000,
                decoder.kvCacheTokens());
        LOG.info(
                "try: curl {}{}",
                onThisMachine(url),
                switch (model.task()) {
                    case GENERATE -> "/generate -d '{\"prompt\":\"Tell me about load balancing\"}'";
                    case EMBED -> "/v1/embeddings -d '{\"input\":\"Tell me about load balancing\"}'";
                    case RERANK ->
                        "/v1/rerank -d '{\"query\":\"load balancing\",\"documents\":[\"It spreads requests.\",\"A recipe.\"]}'";
                });
    }

    /// The URL by which a program on this machine reaches the worker.
    static String onThisMachine(String url) {
        return ALL_ADDRESSES.matcher(url).replaceFirst("//localhost:");
    }

    private static <T> FutureTask<T> inBackground(String name, Callable<T> work) {
        var task = new FutureTask<>(work);
        Thread.ofPlatform().name(name).daemon().start(task);
        return task;
    }

    public record Prompts(ModelTokenizer tokenizer, PromptEncoder encoder) {}

    /// The tokenizer and the chat template of the model.
    ///
    /// @param toolFormat the value of `TOOL_FORMAT`
    /// @throws ModelFileException if one of them cannot be used, or does not match the model
    public static Prompts prompts(StoredModel model, String toolFormat) throws IOException {
        var tokenizer = switch (model) {
            case Gguf gguf -> GgufTokenizer.of(gguf.metadata());
            case Safetensors safetensors -> HubTokenizer.of(safetensors);
        };
        var rows = model.tensor("token_embd.weight").rows();
        if (tokenizer.vocabularySize() != rows) {
            throw new ModelFileException(
                    model.file(),
                    "the tokenizer has " + tokenizer.vocabularySize() + " tokens; the model has embeddings for "
                            + rows);
        }
        return new Prompts(tokenizer, new PromptEncoder(tokenizer, JinjaChatTemplate.of(model, tokenizer, toolFormat)));
    }
}
