module.exports = { CommandLineAction: class {}, CommandLineParser: class {} };
