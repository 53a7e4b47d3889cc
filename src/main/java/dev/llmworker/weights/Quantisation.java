package dev.llmworker.weights;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.weights.content.ModelFileException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// How the matrices of a model are stored, by `quantization_config` in its `config.json`. [QuantisedParts]
/// makes tensors of the files' parts.
final class Quantisation {
    static final String FIELD = "quantization_config";
    private static final String OLD_FIELD = "compression_config";
    private static final String METHOD = "quant_method";
    private static final String MXFP4 = "mxfp4";
    /// Lists of modules that are not quantised, by the names that tools give them.
    private static final List<String> SKIPPED =
            List.of("modules_to_not_convert", "ignored_layers", "llm_int8_skip_modules");

    private static final int MOST_ENTRIES = 100_000;
    private static final long BLOCK_OF_FLOAT8 = 128;

    /// How the parts of a matrix are stored.
    enum Layout {
        GPTQ(".qweight", "I32"),
        AWQ(".qweight", "I32"),
        PACKED_INTEGERS(".weight_packed", "I32"),
        INTEGERS(".weight", "I8"),
        FLOAT8(".weight", "F8_E4M3"),
        BITSANDBYTES(".weight", "U8");

        final String suffix;
        final String type;

        Layout(String suffix, String type) {
            this.suffix = suffix;
            this.type = type;
        }
    }

    /// What the configuration says of a matrix.
    ///
    /// @param layout null: the matrix is not quantised
    /// @param blockRows rows that share a scale
    /// @param blockColumns columns that share a scale; 0 is all
    /// @param symmetric whether all zero points are in the middle
    /// @param zerosLess1 whether zero points are stored less 1
    record Scheme(
            @Nullable Layout layout,
            int bits,
            long blockRows,
            long blockColumns,
            boolean symmetric,
            boolean zerosLess1) {
        static final Scheme NONE = new Scheme(null, 0, 0, 0, true, false);

        Scheme(Layout layout, int bits) {
            this(layout, bits, 1, 0, true, false);
        }

        /// `8 bits in blocks of 128 x 128`.
        @Override
        public String toString() {
            var each = blockRows > 1
                    ? " in blocks of " + blockRows + " x " + blockColumns
                    : blockColumns > 0 ? " in groups of " + blockColumns : "";
            return bits + " bits" + each;
        }
    }

    /// The first rule whose pattern a module matches counts.
    private record Rule(NamePattern pattern, Scheme scheme) {}

    private final JsonFile file;
    private final JsonNode config;
    private final String field;
    private final String method;
    private final NamePattern.Patterns patterns;
    private final List<Rule> rules = new ArrayList<>();
    private @Nullable Scheme others;

    private Quantisation(JsonFile file, JsonNode config, String field) throws ModelFileException {
        this.file = file;
        this.config = config;
        this.field = field;
        patterns = new NamePattern.Patterns(file);
        method = method();
        for (var list : SKIPPED) {
            for (var name : names(config, list)) {
                rules.add(new Rule(patterns.part(name), Scheme.NONE));
            }
        }
        switch (method) {
            case "awq" -> others = awq();
            case "gptq" -> gptq();
            case "fp8", "fbgemm_fp8" -> others = float8();
            case "compressed-tensors" -> compressed();
            case "bitsandbytes" -> others = bitsAndBytes();
            case MXFP4 -> others = Scheme.NONE;
            default ->
                throw problem(
                        METHOD,
                        config.path(METHOD),
                        "awq, bitsandbytes, compressed-tensors, fbgemm_fp8, fp8, gptq, mxfp4, weights in F32, F16 and"
                                + " BF16, and quantised ones in GGUF files");
        }
    }

    /// @return null if the model is not quantised, or its tensors alone say how
    /// @throws ModelFileException if it is quantised in a way that is not supported
    static @Nullable Quantisation of(HubFields fields) throws ModelFileException {
        var field = fields.has(FIELD) || !fields.has(OLD_FIELD) ? FIELD : OLD_FIELD;
        if (!fields.has(field)) {
            return null;
        }
        var quantisation = new Quantisation(fields.file(), fields.get(field), field);
        return quantisation.method.equals(MXFP4) ? null : quantisation;
    }

    private String method() {
        if (config.hasNonNull(METHOD)) {
            return config.get(METHOD).asText();
        }
        // The first models of these tools do not name them.
        return config.has("load_in_4bit") || config.has("load_in_8bit")
                ? "bitsandbytes"
                : config.has("config_groups") ? "compressed-tensors" : "";
    }

    /// How a module's matrix is stored.
    ///
    /// @throws ModelFileException if the configuration says that it is not quantised
    Scheme of(RawTensor codes, String module) throws ModelFileException {
        var found = others;
        for (var rule : rules) {
            if (rule.pattern().matches(module)) {
                found = rule.scheme();
                break;
            }
        }
        if (found == null || found.layout() == null) {
            throw codes.problem("is quantised, but " + field + " says that " + module + " is not");
        }
        if (!codes.name().equals(module + found.layout().suffix)
                || !codes.type().equals(found.layout().type)) {
            throw codes.problem("is " + codes.type() + "; by " + field + " this matrix is " + found.layout().type
                    + " in " + module + found.layout().suffix);
        }
        return found;
    }

    private Scheme awq() throws ModelFileException {
        require(config, "version", "\"gemm\"", Set.of("\"gemm\"", "\"GEMM\""));
        require(config, "zero_point", "true", Set.of("true"));
        var bits = config.has("w_bit") ? "w_bit" : "bits";
        require(config, bits, "4", Set.of("4"));
        return new Scheme(
                Layout.AWQ,
                4,
                1,
                group(config, config.has("q_group_size") ? "q_group_size" : "group_size"),
                false,
                false);
    }

    private void gptq() throws ModelFileException {
        require(config, "is_marlin_format", "false", Set.of("false"));
        require(config, "pack_dtype", "\"int32\"", Set.of("\"int32\""));
        var format = config.has("checkpoint_format") ? "checkpoint_format" : "format";
        require(config, format, "\"gptq\"", Set.of("\"gptq\"", "\"gptq_v2\""));
        var less1 = !config.path(format).asText().equals("gptq_v2");
        others = gptq(config, less1);
        var dynamic = config.path("dynamic");
        for (var rule : dynamic.properties()) {
            var pattern = rule.getKey();
            var isSigned = pattern.startsWith("-:") || pattern.startsWith("+:");
            var expression = patterns.expression(isSigned ? pattern.substring(2) : pattern);
            rules.add(new Rule(expression, pattern.startsWith("-:") ? Scheme.NONE : gptq(rule.getValue(), less1)));
        }
    }

    /// @param own has values of some matrices; those that it lacks are those of all
    private Scheme gptq(JsonNode own, boolean less1) throws ModelFileException {
        var bits = own.has("bits") ? own : config;
        require(bits, "bits", "missing", Set.of("4", "8"));
        return new Scheme(
                Layout.GPTQ,
                bits.get("bits").asInt(),
                1,
                group(own.has("group_size") ? own : config, "group_size"),
                (own.has("sym") ? own : config).path("sym").asBoolean(true),
                less1);
    }

    private Scheme float8() throws ModelFileException {
        require(config, "fmt", "\"e4m3\"", Set.of("\"e4m3\"", "\"float8_e4m3fn\""));
        require(config, "expert_dtype", "\"fp8\"", Set.of("\"fp8\""));
        var block = config.path("weight_block_size");
        if (block.isNull() || method.equals("fbgemm_fp8")) {
            return new Scheme(Layout.FLOAT8, Byte.SIZE);
        }
        if (block.isMissingNode()) {
            return new Scheme(Layout.FLOAT8, Byte.SIZE, BLOCK_OF_FLOAT8, BLOCK_OF_FLOAT8, true, false);
        }
        return new Scheme(Layout.FLOAT8, Byte.SIZE, side(block, 0), side(block, 1), true, false);
    }

    private long side(JsonNode block, int index) throws ModelFileException {
        var side = block.path(index);
        if (block.size() != 2 || !side.canConvertToInt() || !side.isIntegralNumber() || side.intValue() < 1) {
            throw problem("weight_block_size", block, "two whole numbers, such as [128,128]");
        }
        return side.intValue();
    }

    private Scheme bitsAndBytes() throws ModelFileException {
        if (config.path("load_in_8bit").asBoolean()) {
            return new Scheme(Layout.INTEGERS, Byte.SIZE);
        }
        require(config, "load_in_4bit", "missing", Set.of("true"));
        require(config, "bnb_4bit_quant_type", "\"fp4\"", Set.of("\"nf4\"", "\"fp4\""));
        require(config, "bnb_4bit_quant_storage", "\"uint8\"", Set.of("\"uint8\""));
        return new Scheme(Layout.BITSANDBYTES, 4);
    }

    /// Exact names go before expressions, and these before classes of layers.
    private void compressed() throws ModelFileException {
        require(config.path("sparsity_config"), "format", "\"dense\"", Set.of("\"dense\""));
        require(config, "transform_config", "{}", Set.of("{}", "{\"config_groups\":{}}"));
        addEach(List.of(Map.entry(names(config, "ignore"), Scheme.NONE)));
        var groups = new ArrayList<Map.Entry<List<String>, Scheme>>();
        for (var group : config.path("config_groups").properties()) {
            groups.add(Map.entry(names(group.getValue(), "targets"), compressed(group.getValue())));
        }
        if (groups.stream().allMatch(group -> group.getKey().isEmpty())) {
            throw problem("config_groups", config.path("config_groups"), "groups with weights and targets");
        }
        addEach(groups);
    }

    private void addEach(List<Map.Entry<List<String>, Scheme>> groups) throws ModelFileException {
        var classes = Set.of(NamePattern.LINEAR, NamePattern.EMBEDDING);
        for (var group : groups) {
            addNames(group, name -> !name.startsWith(NamePattern.EXPRESSION) && !classes.contains(name));
        }
        for (var group : groups) {
            for (var entry : group.getKey()) {
                if (entry.startsWith(NamePattern.EXPRESSION)) {
                    var expression = patterns.expression(entry.substring(NamePattern.EXPRESSION.length()));
                    rules.add(new Rule(expression, group.getValue()));
                }
            }
        }
        for (var group : groups) {
            addNames(group, classes::contains);
        }
    }

    private void addNames(Map.Entry<List<String>, Scheme> group, Predicate<String> taken) {
        var names = group.getKey().stream().filter(taken).collect(Collectors.toSet());
        if (!names.isEmpty()) {
            rules.add(new Rule(patterns.names(names), group.getValue()));
        }
    }

    private Scheme compressed(JsonNode group) throws ModelFileException {
        var weights = group.path("weights");
        if (weights.isNull() || weights.isMissingNode()) {
            return Scheme.NONE;
        }
        require(weights, "dynamic", "false", Set.of("false"));
        require(weights, "strategy", "missing", Set.of("\"tensor\"", "\"channel\"", "\"group\"", "\"block\""));
        require(weights, "type", "\"int\"", Set.of("\"int\"", "\"float\""));
        var isFloat = weights.path("type").asText().equals("float");
        require(weights, "num_bits", "8", isFloat ? Set.of("8") : Set.of("4", "8"));
        var bits = weights.path("num_bits").asInt(Byte.SIZE);
        var strategy = weights.path("strategy").asText();
        var symmetric = weights.path("symmetric").asBoolean(true);
        var layout = layout(group.hasNonNull("format") ? group : config, isFloat, bits);
        if (strategy.equals("block")) {
            var block = weights.path("block_structure");
            return new Scheme(layout, bits, side(block, 0), side(block, 1), symmetric, false);
        }
        return new Scheme(
                layout, bits, 1, strategy.equals("group") ? group(weights, "group_size") : 0, symmetric, false);
    }

    private Layout layout(JsonNode node, boolean isFloat, int bits) throws ModelFileException {
        var format = node.path("format");
        switch (format.asText()) {
            case "pack-quantized" -> {
                if (!isFloat) {
                    return Layout.PACKED_INTEGERS;
                }
            }
            case "int-quantized", "float-quantized", "naive-quantized" -> {
                if (bits == Byte.SIZE) {
                    return isFloat ? Layout.FLOAT8 : Layout.INTEGERS;
                }
            }
            default -> {}
        }
        throw problem(
                "format",
                format,
                "pack-quantized with whole numbers of 4 or 8 bits; int-quantized, float-quantized and naive-quantized with"
                        + " 8 bits");
    }

    private List<String> names(JsonNode node, String list) throws ModelFileException {
        var names = new ArrayList<String>();
        for (var name : node.path(list)) {
            if (!name.isTextual() || names.size() == MOST_ENTRIES) {
                throw problem(list, node.path(list), "at most " + MOST_ENTRIES + " names");
            }
            names.add(name.textValue());
        }
        return names;
    }

    /// The columns of a group; 0 if all share a scale.
    private long group(JsonNode node, String name) throws ModelFileException {
        var size = node.path(name);
        if (size.isNull()) {
            return 0;
        }
        if (!size.isIntegralNumber() || !size.canConvertToInt() || size.intValue() < 1 && size.intValue() != -1) {
            throw problem(name, size, "-1 or 1 and more");
        }
        return Math.max(0, size.intValue());
    }

    /// @param normal what a missing value stands for
    private void require(JsonNode node, String name, String normal, Set<String> supported) throws ModelFileException {
        var value = node.path(name);
        if (!supported.contains(value.isMissingNode() || value.isNull() ? normal : value.toString())) {
            throw problem(
                    name,
                    value,
                    supported.stream()
                            .sorted()
                            .map(some -> some.replace("\"", ""))
                            .collect(Collectors.joining(", ")));
        }
    }

    private ModelFileException problem(String name, JsonNode value, String supported) {
        return file.problem(
                field,
                "has " + name + " " + (value.isMissingNode() ? "missing" : value) + "; supported"
                        + (name.equals(METHOD) || method.isEmpty() ? "" : " for " + method) + ": " + supported);
    }

    /// `gptq, 4 bits in groups of 128`.
    @Override
    public String toString() {
        var schemes = rules.stream().map(Rule::scheme).collect(Collectors.toCollection(ArrayList::new));
        schemes.add(Objects.requireNonNullElse(others, Scheme.NONE));
        return method + ", "
                + schemes.stream()
                        .filter(scheme -> scheme.layout() != null)
                        .map(Scheme::toString)
                        .distinct()
                        .collect(Collectors.joining("; "));
    }
}
