package dev.llmworker.text.hub;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.text.EndOfSequenceTokens;
import dev.llmworker.text.HuggingFaceEncoder;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.ModelTokenizer.Ends;
import dev.llmworker.text.ModelTokenizer.Spelling;
import dev.llmworker.text.TextEncoder;
import dev.llmworker.text.Vocabulary;
import dev.llmworker.text.Vocabulary.Kind;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/// Makes the tokenizer of a model folder in the layout of transformers. It reads `tokenizer.json` and the files
/// that name the tokens at the beginning and end of sequences.
public final class HubTokenizer {
    private static final Pattern BYTE_TOKEN = Pattern.compile("<0x[0-9A-F]{2}>");
    private static final String SPACE = "▁";

    private final TokenizerFile file;
    private final HubSettings settings;
    private final int size;
    private final Set<String> control;

    private HubTokenizer(TokenizerFile file, HubSettings settings, int size) {
        this.file = file;
        this.settings = settings;
        this.size = size;
        control = control();
    }

    public static ModelTokenizer of(Safetensors model) throws IOException {
        var path = model.file().resolve(TokenizerFile.NAME);
        if (Files.notExists(path)) {
            throw new ModelFileException(
                    path,
                    "is missing; a tokenizer.model alone is not read: transformers'"
                            + " AutoTokenizer.from_pretrained(...).save_pretrained(...) writes tokenizer.json");
        }
        var embedding = model.tensor("token_embd.weight");
        if (embedding.rows() > TokenizerFile.MAX_TOKENS) {
            throw embedding.problem(
                    "has " + embedding.rows() + " rows; supported: tokens up to " + TokenizerFile.MAX_TOKENS);
        }
        return new HubTokenizer(TokenizerFile.read(path), HubSettings.read(model.file()), (int) embedding.rows())
                .tokenizer();
    }

    private ModelTokenizer tokenizer() throws IOException {
        TokenizerParts.check(file);
        var spelling = spelling();
        var vocabulary = vocabulary(spelling);
        return new ModelTokenizer(
                vocabulary,
                spelling,
                encoder(),
                ends(vocabulary),
                addsLeadingSpace(),
                TokenizerParts.covering(file, spelling));
    }

    /// All tokens that are not text: those that a file declares special, and those with which the model ends its
    /// answers.
    private Set<String> control() {
        var names = new HashSet<String>();
        var declared = settings.declaredSpecial();
        file.added().forEach((name, token) -> {
            if (token.special() || declared.contains(name)) {
                names.add(name);
            }
        });
        var added = new ArrayList<>(file.added().keySet());
        EndOfSequenceTokens.byName(added).stream().mapToObj(added::get).forEach(names::add);
        return names;
    }

    private TextEncoder encoder() throws IOException {
        var first = encoder(true);
        var differs =
                steps(file.part("pre_tokenizer"), "pretokenizers").stream().anyMatch(HubTokenizer::startsFirstOnly);
        return differs ? new Encoders(first, encoder(false)) : first;
    }

    private TextEncoder encoder(boolean first) throws IOException {
        return new HuggingFaceEncoder(EncoderJson.of(file, control, first), file.file(), "does not make a tokenizer");
    }

    private record Encoders(TextEncoder first, TextEncoder further) implements TextEncoder {
        @Override
        public int[] encode(String text) {
            return first.encode(text);
        }

        @Override
        public int[] encodeFurther(String text) {
            return further.encode(text);
        }
    }

    private Vocabulary vocabulary(Spelling spelling) throws ModelFileException {
        var names = new String[size];
        var kinds = new Kind[size];
        Arrays.fill(names, "");
        // Embeddings often have more rows than there are tokens.
        Arrays.fill(kinds, Kind.UNUSED);
        for (var token : file.vocabulary().entrySet()) {
            var isByte = spelling == Spelling.SENTENCE_PIECE
                    && BYTE_TOKEN.matcher(token.getKey()).matches();
            put(names, kinds, token.getKey(), token.getValue(), isByte ? Kind.BYTE : Kind.NORMAL);
        }
        for (var token : file.added().entrySet()) {
            var kind = control.contains(token.getKey()) ? Kind.CONTROL : Kind.USER_DEFINED;
            put(names, kinds, token.getKey(), token.getValue().id(), kind);
        }
        return new Vocabulary(Collections.unmodifiableList(Arrays.asList(names)), kinds, endOfSequence(names));
    }

    private void put(String[] names, Kind[] kinds, String name, int id, Kind kind) throws ModelFileException {
        if (id >= size) {
            throw file.problem("token", name + " has id " + id + "; the model has embeddings for 0 to " + (size - 1));
        }
        names[id] = name;
        kinds[id] = kind;
    }

    private BitSet endOfSequence(String[] names) throws ModelFileException {
        var ends = settings.endIds(size);
        var added = Arrays.stream(names)
                .map(name -> file.added().containsKey(name) ? name : "")
                .toList();
        ends.or(EndOfSequenceTokens.byName(added));
        id(settings.specialToken("eos_token")).ifPresent(ends::set);
        return ends;
    }

    private Ends ends(Vocabulary vocabulary) throws ModelFileException {
        var template = beginInTemplate();
        var begin = id(settings.specialToken("bos_token"));
        var explicit = settings.tokenizer().get("add_bos_token");
        var isLlama = settings.tokenizer().get("tokenizer_class").asText().startsWith("LlamaTokenizer");
        // Llama's class adds the token itself; the other classes leave it to tokenizer.json.
        var begins = isLlama ? explicit.asBoolean(true) : template != null;
        if (begins && begin.isEmpty()) {
            begin = id(template);
        }
        if (begins && begin.isEmpty()) {
            throw new ModelFileException(
                    settings.tokenizer().file(), "prompts begin with a token, but bos_token names none");
        }
        return new Ends(begin, id(settings.specialToken("eos_token")), begins);
    }

    /// The special token that `tokenizer.json` itself puts before a text.
    private @Nullable String beginInTemplate() {
        for (var step : steps(file.part("post_processor"), "processors")) {
            var before = step.path("single").path(0).path("SpecialToken").path("id");
            if (step.path("type").asText().equals("TemplateProcessing") && before.isTextual()) {
                return before.textValue();
            }
        }
        return null;
    }

    private OptionalInt id(@Nullable String name) {
        if (name == null) {
            return OptionalInt.empty();
        }
        var added = file.added().get(name);
        if (added != null) {
            return OptionalInt.of(added.id());
        }
        var id = file.vocabulary().get(name);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    private Spelling spelling() throws ModelFileException {
        var types = steps(file.part("decoder"), "decoders").stream()
                .map(step -> step.path("type").asText())
                .toList();
        if (types.contains("ByteLevel")) {
            return Spelling.BYTE_LEVEL;
        }
        if (types.contains("ByteFallback") || types.contains("Metaspace")) {
            return Spelling.SENTENCE_PIECE;
        }
        throw file.problem("decoder", "is " + types + "; supported: ByteLevel, ByteFallback, Metaspace");
    }

    /// Whether decoding drops a space at the start because encoding adds one there.
    private boolean addsLeadingSpace() {
        for (var step : steps(file.part("decoder"), "decoders")) {
            var strips = step.path("type").asText().equals("Strip")
                    && step.path("content").asText().equals(" ")
                    && step.path("start").asInt() > 0;
            var metaspace = step.path("type").asText().equals("Metaspace")
                    && !step.path("prepend_scheme").asText("always").equals("never")
                    && step.path("add_prefix_space").asBoolean(true);
            if (strips || metaspace) {
                return true;
            }
        }
        return false;
    }

    /// Whether a pre-tokenizer adds a space before the first text only.
    static boolean startsFirstOnly(JsonNode step) {
        return step.path("type").asText().equals("Metaspace")
                && step.path("prepend_scheme").asText().equals("first")
                && step.path("replacement").asText(SPACE).equals(SPACE);
    }

    /// The steps of a sequence, or the single step.
    static List<JsonNode> steps(JsonNode part, String name) {
        if (!part.path("type").asText().equals("Sequence")) {
            return part.isObject() ? List.of(part) : List.of();
        }
        return StreamSupport.stream(part.path(name).spliterator(), false).toList();
    }
}
