package dev.llmworker.text.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.llmworker.text.EndOfSequenceTokens;
import dev.llmworker.text.HuggingFaceEncoder;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.ModelTokenizer.Ends;
import dev.llmworker.text.ModelTokenizer.Spelling;
import dev.llmworker.text.NameGuard;
import dev.llmworker.text.TextEncoder;
import dev.llmworker.text.TextPieces;
import dev.llmworker.text.Vocabulary;
import dev.llmworker.text.Vocabulary.Kind;
import dev.llmworker.text.hub.TokenizerFile.Added;
import dev.llmworker.weights.Safetensors;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/// Makes the tokenizer of a model folder in the layout of transformers. It reads `tokenizer.json` and the files
/// that name the tokens at the beginning and end of sequences.
public final class HubTokenizer {
    private static final Pattern BYTE_TOKEN = Pattern.compile("<0x[0-9A-F]{2}>");
    private static final String SPACE = "▁";
    private static final String BEGIN = "bos_token";
    private static final String END = "eos_token";

    private final TokenizerFile file;
    private final HubSettings settings;
    private final int size;
    private final Map<String, Added> added;
    private final EncoderJson.Tokens tokens;
    private final int leastPiece;

    private HubTokenizer(TokenizerFile file, HubSettings settings, int size, int leastPiece) throws ModelFileException {
        this.leastPiece = leastPiece;
        this.file = file;
        this.settings = settings;
        this.size = size;
        added = AddedTokens.of(file, settings);
        tokens = tokens();
    }

    public static ModelTokenizer of(Safetensors model) throws IOException {
        return of(model, TextPieces.LEAST);
    }

    /// @param leastPiece the least length of the pieces in which a text is encoded
    static ModelTokenizer of(Safetensors model, int leastPiece) throws IOException {
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
        var settings = HubSettings.read(model.file());
        var file = TokenizerFile.read(path, settings.declaredSpecial().keySet());
        return new HubTokenizer(file, settings, (int) embedding.rows(), leastPiece).tokenizer();
    }

    private ModelTokenizer tokenizer() throws IOException {
        TokenizerParts.check(file, added.keySet());
        var spelling = spelling();
        return new ModelTokenizer(
                vocabulary(spelling),
                spelling,
                encoder(),
                ends(),
                addsLeadingSpace(),
                TokenizerParts.covering(file, tokens, spelling));
    }

    /// Sorts the tokens by use. Control tokens are those that a file declares special, and those with which the model
    /// ends its answers. A token without an embedding can be neither sent nor sampled.
    private EncoderJson.Tokens tokens() {
        var unusable = new HashSet<String>();
        file.vocabulary().forEach((name, id) -> {
            if (id >= size) {
                unusable.add(name);
            }
        });
        var names = new ArrayList<>(added.keySet());
        var ends =
                EndOfSequenceTokens.byName(names).stream().mapToObj(names::get).collect(Collectors.toSet());
        var words = new LinkedHashMap<String, Added>();
        var further = new LinkedHashMap<String, Added>();
        var control = new LinkedHashMap<String, Added>();
        added.forEach((name, token) -> {
            if (token.id() >= size) {
                unusable.add(name);
            } else if (token.special() || ends.contains(name)) {
                control.put(name, token);
            } else {
                (file.vocabulary().containsKey(name) ? words : further).put(name, token);
            }
        });
        return new EncoderJson.Tokens(words, further, control, unusable);
    }

    private TextEncoder encoder() throws IOException {
        var guarded = encoder(true);
        var normalized = tokens.control().entrySet().stream()
                .filter(token -> token.getValue().normalized())
                .map(Map.Entry::getKey)
                .toList();
        var steps = steps(file.part("normalizer"), "normalizers");
        var breakable = tokens.control().keySet().stream().allMatch(NameGuard::canBreak);
        if (breakable && (normalized.isEmpty() || steps.isEmpty() && !orderCounts())) {
            return guarded;
        }
        // Text that has no name of a control token must have none after it is normalised either.
        var forgeable = !steps.stream().allMatch(TokenizerParts::spaces)
                || !steps.isEmpty() && normalized.stream().anyMatch(name -> name.contains(" ") || name.contains(SPACE));
        return new Encoders(guarded, encoder(false), !forgeable);
    }

    /// Whether it makes a difference which added tokens are looked for first.
    private boolean orderCounts() {
        return added.entrySet().stream()
                .anyMatch(token -> token.getValue().leftStrip()
                        || token.getValue().rightStrip()
                        || token.getValue().singleWord()
                        || added.keySet().stream()
                                .anyMatch(other -> !other.equals(token.getKey()) && other.contains(token.getKey())));
    }

    private HuggingFaceEncoder encoder(boolean guarded) throws IOException {
        var ids = tokens.numbered().mapToInt(token -> token.getValue().id()).toArray();
        return new HuggingFaceEncoder(
                EncoderJson.of(file, tokens, guarded),
                ids,
                TokenizerParts.pieces(file, tokens, spelling(), leastPiece),
                file.file(),
                "does not make a tokenizer");
    }

    /// An encoder for guarded texts, and one that finds control tokens exactly as transformers does: some only in what
    /// the others left, after it is normalised.
    ///
    /// @param always whether the exact one also encodes what others wrote, if no name in it is guarded
    private record Encoders(TextEncoder guarded, TextEncoder exact, boolean always) implements TextEncoder {
        @Override
        public int[] encode(String text) {
            return (always && !NameGuard.isGuarded(text) ? exact : guarded).encode(text);
        }

        @Override
        public int[] encodeTrusted(String trusted) {
            return exact.encode(trusted);
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
            if (!tokens.unusable().contains(token.getKey())) {
                names[token.getValue()] = token.getKey();
                kinds[token.getValue()] = isByte ? Kind.BYTE : Kind.NORMAL;
            }
        }
        tokens.text().forEach(token -> {
            names[token.getValue().id()] = token.getKey();
            kinds[token.getValue().id()] = Kind.USER_DEFINED;
        });
        tokens.control().forEach((name, token) -> {
            names[token.id()] = name;
            kinds[token.id()] = Kind.CONTROL;
        });
        return new Vocabulary(
                file.file(),
                Collections.unmodifiableList(Arrays.asList(names)),
                kinds,
                endOfSequence(names),
                unusable());
    }

    private Set<String> unusable() {
        return added.entrySet().stream()
                .filter(token -> token.getValue().special() && token.getValue().id() >= size)
                .map(Map.Entry::getKey)
                .collect(Collectors.toSet());
    }

    private BitSet endOfSequence(String[] names) throws ModelFileException {
        var ends = settings.endIds(size);
        var inText = Arrays.stream(names)
                .map(name -> added.containsKey(name) ? name : "")
                .toList();
        ends.or(EndOfSequenceTokens.byName(inText));
        id(settings.specialTokens().get(END)).ifPresent(ends::set);
        return ends;
    }

    private Ends ends() throws ModelFileException {
        var special = settings.specialTokens();
        var template = template();
        var names = new LinkedHashMap<String, Object>(special);
        if (!settings.furtherSpecialTokens().isEmpty()) {
            names.put("additional_special_tokens", settings.furtherSpecialTokens());
        }
        // tokenizer.json decides, but in Llama's class a flag comes first. Old files of that class say neither.
        var isLlama = settings.tokenizerClass().equals("LlamaTokenizer");
        var inTemplate = Objects.requireNonNullElse(edge(template, 0), "");
        var begins = flag(isLlama, "add_bos_token", template.isMissingNode() ? isLlama : !inTemplate.isEmpty());
        var last = edge(template, template.size() - 1);
        var ends = flag(isLlama, "add_eos_token", last != null);
        // Texts for Qwen3-Embedding end with another token than its answers.
        var end = isLlama || last == null ? special.get(END) : last;
        var begin = isLlama || inTemplate.isEmpty() ? special.getOrDefault(BEGIN, inTemplate) : inTemplate;
        if (begins && id(begin).isEmpty()) {
            throw new ModelFileException(
                    settings.tokenizer().file(),
                    "prompts begin with a token, but bos_token "
                            + (begin.isEmpty()
                                    ? "names none"
                                    : "is " + begin + ", for which the model has no embedding"));
        }
        return new Ends(id(begin), id(end), begins, ends, names);
    }

    private boolean flag(boolean counts, String name, boolean unlessSaid) {
        var flag = settings.tokenizer().get(name);
        return !counts || flag.isMissingNode() ? unlessSaid : flag.asBoolean();
    }

    /// What `tokenizer.json` itself puts around a text; a missing node if it does not say.
    private JsonNode template() {
        for (var step : steps(file.part("post_processor"), "processors")) {
            if (step.path("type").asText().equals("TemplateProcessing")) {
                return step.path("single");
            }
        }
        return MissingNode.getInstance();
    }

    /// The special token at an end of a template.
    private static @Nullable String edge(JsonNode template, int index) {
        var token = template.path(index).path("SpecialToken").path("id");
        return token.isTextual() ? token.textValue() : null;
    }

    private OptionalInt id(@Nullable String name) {
        if (name == null || tokens.unusable().contains(name)) {
            return OptionalInt.empty();
        }
        var token = added.get(name);
        if (token != null) {
            return OptionalInt.of(token.id());
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

    /// The steps of a sequence, or the single step.
    static List<JsonNode> steps(JsonNode part, String name) {
        if (!part.path("type").asText().equals("Sequence")) {
            return part.isObject() ? List.of(part) : List.of();
        }
        return StreamSupport.stream(part.path(name).spliterator(), false).toList();
    }
}
