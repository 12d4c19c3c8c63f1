BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'old');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
INSERT INTO "study_directions" VALUES(2,'MINIMIZE',1,1);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["error", "macs"]');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'plan','{"schema": "search-plan/1", "space": ["resnet", "lenet"], "space_sha256": "91189b5985f4", "data": "fashion-mnist", "data_fingerprint": "63689ee4243e93ea01c0", "resolution": 28, "channels": 1, "classes": 10, "recipe": {"epochs": 9, "batch_size": 64, "train_images": 640, "validation_images": null, "train_loss_images": 2000, "resolution": 28, "augmentations": [], "initialisation": "he-normal", "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": true, "weight_decay": 0.0005, "schedule": "cosine", "warmup_fraction": 0.1, "label_smoothing": 0.0, "ema_decay": null, "precision": "bfloat16"}, "objectives": ["error", "macs"], "limits": {"macs": 5000000, "params": null, "activations": null, "latency_seconds": null, "train_memory_bytes": null}, "sampler": "random", "seed": 0, "rungs": [1, 3, 9], "reduction": 3, "device": "cpu", "warm_start": null}');
INSERT INTO "study_user_attributes" VALUES(2,1,'holder','"process 1 on host"');
INSERT INTO "study_user_attributes" VALUES(3,1,'budget','{"trials": 8, "hours": null}');
INSERT INTO "study_user_attributes" VALUES(4,1,'spent_seconds','1.1473694020005496');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'space',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["resnet", "lenet"]}}');
INSERT INTO "trial_params" VALUES(2,1,'resnet.stages',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 2, "high": 4}}');
INSERT INTO "trial_params" VALUES(3,1,'resnet.block',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["basic", "bottleneck"]}}');
INSERT INTO "trial_params" VALUES(4,1,'resnet.width_1',8.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 32}}');
INSERT INTO "trial_params" VALUES(5,1,'resnet.widening_2',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 2}}');
INSERT INTO "trial_params" VALUES(6,1,'resnet.depth_1',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 3}}');
INSERT INTO "trial_params" VALUES(7,1,'resnet.depth_2',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 3}}');
INSERT INTO "trial_params" VALUES(8,1,'resnet.shortcut',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [true, false]}}');
INSERT INTO "trial_params" VALUES(9,1,'resnet.stem',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["small", "pooled"]}}');
INSERT INTO "trial_params" VALUES(10,1,'resnet.stem_width',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(11,2,'space',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["resnet", "lenet"]}}');
INSERT INTO "trial_params" VALUES(12,2,'lenet.kernel_1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(13,2,'lenet.kernel_2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(14,2,'lenet.width_1',16.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 4, "low": 4, "high": 32}}');
INSERT INTO "trial_params" VALUES(15,2,'lenet.width_2',24.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 64}}');
INSERT INTO "trial_params" VALUES(16,2,'lenet.dense_1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [64, 120, 256]}}');
INSERT INTO "trial_params" VALUES(17,2,'lenet.dense_2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 84, 128]}}');
INSERT INTO "trial_params" VALUES(18,2,'lenet.activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sigmoid", "relu"]}}');
INSERT INTO "trial_params" VALUES(19,2,'lenet.pool',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["average", "max"]}}');
INSERT INTO "trial_params" VALUES(20,2,'lenet.norm',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(21,3,'space',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["resnet", "lenet"]}}');
INSERT INTO "trial_params" VALUES(22,3,'lenet.kernel_1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(23,3,'lenet.kernel_2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(24,3,'lenet.width_1',20.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 4, "low": 4, "high": 32}}');
INSERT INTO "trial_params" VALUES(25,3,'lenet.width_2',56.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 64}}');
INSERT INTO "trial_params" VALUES(26,3,'lenet.dense_1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [64, 120, 256]}}');
INSERT INTO "trial_params" VALUES(27,3,'lenet.dense_2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 84, 128]}}');
INSERT INTO "trial_params" VALUES(28,3,'lenet.activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sigmoid", "relu"]}}');
INSERT INTO "trial_params" VALUES(29,3,'lenet.pool',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["average", "max"]}}');
INSERT INTO "trial_params" VALUES(30,3,'lenet.norm',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(31,4,'space',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["resnet", "lenet"]}}');
INSERT INTO "trial_params" VALUES(32,4,'lenet.kernel_1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(33,4,'lenet.kernel_2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(34,4,'lenet.width_1',4.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 4, "low": 4, "high": 32}}');
INSERT INTO "trial_params" VALUES(35,4,'lenet.width_2',40.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 64}}');
INSERT INTO "trial_params" VALUES(36,4,'lenet.dense_1',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [64, 120, 256]}}');
INSERT INTO "trial_params" VALUES(37,4,'lenet.dense_2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 84, 128]}}');
INSERT INTO "trial_params" VALUES(38,4,'lenet.activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sigmoid", "relu"]}}');
INSERT INTO "trial_params" VALUES(39,4,'lenet.pool',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["average", "max"]}}');
INSERT INTO "trial_params" VALUES(40,4,'lenet.norm',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(41,5,'space',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["resnet", "lenet"]}}');
INSERT INTO "trial_params" VALUES(42,5,'lenet.kernel_1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(43,5,'lenet.kernel_2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(44,5,'lenet.width_1',28.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 4, "low": 4, "high": 32}}');
INSERT INTO "trial_params" VALUES(45,5,'lenet.width_2',56.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 64}}');
INSERT INTO "trial_params" VALUES(46,5,'lenet.dense_1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [64, 120, 256]}}');
INSERT INTO "trial_params" VALUES(47,5,'lenet.dense_2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 84, 128]}}');
INSERT INTO "trial_params" VALUES(48,5,'lenet.activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sigmoid", "relu"]}}');
INSERT INTO "trial_params" VALUES(49,5,'lenet.pool',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["average", "max"]}}');
INSERT INTO "trial_params" VALUES(50,5,'lenet.norm',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(51,6,'space',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["resnet", "lenet"]}}');
INSERT INTO "trial_params" VALUES(52,6,'lenet.kernel_1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(53,6,'lenet.kernel_2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(54,6,'lenet.width_1',12.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 4, "low": 4, "high": 32}}');
INSERT INTO "trial_params" VALUES(55,6,'lenet.width_2',56.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 64}}');
INSERT INTO "trial_params" VALUES(56,6,'lenet.dense_1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [64, 120, 256]}}');
INSERT INTO "trial_params" VALUES(57,6,'lenet.dense_2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 84, 128]}}');
INSERT INTO "trial_params" VALUES(58,6,'lenet.activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sigmoid", "relu"]}}');
INSERT INTO "trial_params" VALUES(59,6,'lenet.pool',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["average", "max"]}}');
INSERT INTO "trial_params" VALUES(60,6,'lenet.norm',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(61,7,'space',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["resnet", "lenet"]}}');
INSERT INTO "trial_params" VALUES(62,7,'resnet.stages',3.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 2, "high": 4}}');
INSERT INTO "trial_params" VALUES(63,7,'resnet.block',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["basic", "bottleneck"]}}');
INSERT INTO "trial_params" VALUES(64,7,'resnet.width_1',8.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 32}}');
INSERT INTO "trial_params" VALUES(65,7,'resnet.widening_2',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 2}}');
INSERT INTO "trial_params" VALUES(66,7,'resnet.widening_3',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 2}}');
INSERT INTO "trial_params" VALUES(67,7,'resnet.depth_1',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 3}}');
INSERT INTO "trial_params" VALUES(68,7,'resnet.depth_2',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 3}}');
INSERT INTO "trial_params" VALUES(69,7,'resnet.depth_3',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 3}}');
INSERT INTO "trial_params" VALUES(70,7,'resnet.shortcut',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [true, false]}}');
INSERT INTO "trial_params" VALUES(71,7,'resnet.stem',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["small", "pooled"]}}');
INSERT INTO "trial_params" VALUES(72,7,'resnet.stem_width',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(73,8,'space',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["resnet", "lenet"]}}');
INSERT INTO "trial_params" VALUES(74,8,'lenet.kernel_1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(75,8,'lenet.kernel_2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(76,8,'lenet.width_1',16.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 4, "low": 4, "high": 32}}');
INSERT INTO "trial_params" VALUES(77,8,'lenet.width_2',16.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 64}}');
INSERT INTO "trial_params" VALUES(78,8,'lenet.dense_1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [64, 120, 256]}}');
INSERT INTO "trial_params" VALUES(79,8,'lenet.dense_2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 84, 128]}}');
INSERT INTO "trial_params" VALUES(80,8,'lenet.activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sigmoid", "relu"]}}');
INSERT INTO "trial_params" VALUES(81,8,'lenet.pool',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["average", "max"]}}');
INSERT INTO "trial_params" VALUES(82,8,'lenet.norm',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(83,9,'space',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["resnet", "lenet"]}}');
INSERT INTO "trial_params" VALUES(84,9,'lenet.kernel_1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(85,9,'lenet.kernel_2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [3, 5]}}');
INSERT INTO "trial_params" VALUES(86,9,'lenet.width_1',28.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 4, "low": 4, "high": 32}}');
INSERT INTO "trial_params" VALUES(87,9,'lenet.width_2',40.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 8, "low": 8, "high": 64}}');
INSERT INTO "trial_params" VALUES(88,9,'lenet.dense_1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [64, 120, 256]}}');
INSERT INTO "trial_params" VALUES(89,9,'lenet.dense_2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 84, 128]}}');
INSERT INTO "trial_params" VALUES(90,9,'lenet.activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sigmoid", "relu"]}}');
INSERT INTO "trial_params" VALUES(91,9,'lenet.pool',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["average", "max"]}}');
INSERT INTO "trial_params" VALUES(92,9,'lenet.norm',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'constraints:macs','-0.7064384');
INSERT INTO "trial_system_attributes" VALUES(2,2,'constraints:macs','-0.730048');
INSERT INTO "trial_system_attributes" VALUES(3,3,'constraints:macs','-0.6322559999999999');
INSERT INTO "trial_system_attributes" VALUES(4,4,'constraints:macs','-0.8774528');
INSERT INTO "trial_system_attributes" VALUES(5,5,'constraints:macs','-0.5023488');
INSERT INTO "trial_system_attributes" VALUES(6,6,'constraints:macs','-0.7295616');
INSERT INTO "trial_system_attributes" VALUES(7,7,'constraints:macs','-0.5226368');
INSERT INTO "trial_system_attributes" VALUES(8,8,'constraints:macs','-0.797496');
INSERT INTO "trial_system_attributes" VALUES(9,9,'constraints:macs','-0.385792');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'candidate','{"values": {"space": "resnet", "resnet.stages": 2, "resnet.block": "basic", "resnet.width_1": 8, "resnet.widening_2": 2, "resnet.depth_1": 2, "resnet.depth_2": 2, "resnet.shortcut": true, "resnet.stem": "pooled", "resnet.stem_width": 32, "resnet.widening_3": 2, "resnet.depth_3": 1, "resnet.widening_4": 2, "resnet.depth_4": 1, "lenet.kernel_1": 5, "lenet.kernel_2": 5, "lenet.width_1": 16, "lenet.width_2": 40, "lenet.dense_1": 120, "lenet.dense_2": 84, "lenet.activation": "sigmoid", "lenet.pool": "max", "lenet.norm": false}, "config": {"family": "resnet", "config": {"depths": [2, 2], "widths": [8, 16], "block": "basic", "shortcut": true, "stem": "pooled", "stem_width": 32, "conv_bias": false, "shortcut_norm": true}}, "run": "559caabe909ed006c899", "costs": {"macs": 1467808.0, "params": 13242.0, "activations": 36848.0}, "refused": 0, "duplicates": 0, "drawn_by": "random", "sampler_attributes": {}}');
INSERT INTO "trial_user_attributes" VALUES(2,1,'progress','{"rungs": [{"epochs": 1, "validation_error_percent": 52.23368979073031, "arrival": 1}], "state": "stopped", "reason": null, "attempts": 1, "epochs_seen": 1, "train_seconds": 1.0, "micro_batches": 1, "counted_at": 1}');
INSERT INTO "trial_user_attributes" VALUES(3,2,'candidate','{"values": {"space": "lenet", "resnet.stages": 2, "resnet.block": "basic", "resnet.width_1": 16, "resnet.widening_2": 1, "resnet.depth_1": 2, "resnet.depth_2": 3, "resnet.shortcut": true, "resnet.stem": "pooled", "resnet.stem_width": 32, "resnet.widening_3": 2, "resnet.depth_3": 2, "resnet.widening_4": 2, "resnet.depth_4": 3, "lenet.kernel_1": 5, "lenet.kernel_2": 5, "lenet.width_1": 16, "lenet.width_2": 24, "lenet.dense_1": 120, "lenet.dense_2": 32, "lenet.activation": "sigmoid", "lenet.pool": "max", "lenet.norm": true}, "config": {"family": "lenet", "config": {"widths": [16, 24], "kernels": [5, 5], "first_padding": 2, "dense_widths": [120, 32], "activation": "sigmoid", "pool": "max", "norm": true, "norm_last": false}}, "run": "9b58232f1c534ce0e54a", "costs": {"macs": 1349760.0, "params": 86746.0, "activations": 14944.0}, "refused": 0, "duplicates": 0, "drawn_by": "random", "sampler_attributes": {}}');
INSERT INTO "trial_user_attributes" VALUES(4,2,'progress','{"rungs": [{"epochs": 1, "validation_error_percent": 54.64363694006185, "arrival": 2}], "state": "stopped", "reason": null, "attempts": 1, "epochs_seen": 1, "train_seconds": 1.0, "micro_batches": 1, "counted_at": 2}');
INSERT INTO "trial_user_attributes" VALUES(5,3,'candidate','{"values": {"space": "lenet", "resnet.stages": 4, "resnet.block": "basic", "resnet.width_1": 32, "resnet.widening_2": 2, "resnet.depth_1": 3, "resnet.depth_2": 1, "resnet.shortcut": true, "resnet.stem": "pooled", "resnet.stem_width": 16, "resnet.widening_3": 2, "resnet.depth_3": 1, "resnet.widening_4": 2, "resnet.depth_4": 3, "lenet.kernel_1": 3, "lenet.kernel_2": 3, "lenet.width_1": 20, "lenet.width_2": 56, "lenet.dense_1": 120, "lenet.dense_2": 32, "lenet.activation": "relu", "lenet.pool": "average", "lenet.norm": true}, "config": {"family": "lenet", "config": {"widths": [20, 56], "kernels": [3, 3], "first_padding": 1, "dense_widths": [120, 32], "activation": "relu", "pool": "average", "norm": true, "norm_last": false}}, "run": "aa7a1e924da56376127a", "costs": {"macs": 1838720.0, "params": 257034.0, "activations": 23744.0}, "refused": 1, "duplicates": 0, "drawn_by": "random", "sampler_attributes": {}}');
INSERT INTO "trial_user_attributes" VALUES(6,3,'progress','{"rungs": [{"epochs": 1, "validation_error_percent": 52.02570615602387, "arrival": 3}, {"epochs": 3, "validation_error_percent": 45.0221483150408, "arrival": 4}], "state": "stopped", "reason": null, "attempts": 1, "epochs_seen": 3, "train_seconds": 3.0, "micro_batches": 1, "counted_at": 3}');
INSERT INTO "trial_user_attributes" VALUES(7,4,'candidate','{"values": {"space": "lenet", "resnet.stages": 4, "resnet.block": "bottleneck", "resnet.width_1": 16, "resnet.widening_2": 1, "resnet.depth_1": 1, "resnet.depth_2": 3, "resnet.shortcut": true, "resnet.stem": "pooled", "resnet.stem_width": 8, "resnet.widening_3": 2, "resnet.depth_3": 1, "resnet.widening_4": 1, "resnet.depth_4": 2, "lenet.kernel_1": 3, "lenet.kernel_2": 3, "lenet.width_1": 4, "lenet.width_2": 40, "lenet.dense_1": 256, "lenet.dense_2": 32, "lenet.activation": "relu", "lenet.pool": "average", "lenet.norm": false}, "config": {"family": "lenet", "config": {"widths": [4, 40], "kernels": [3, 3], "first_padding": 1, "dense_widths": [256, 32], "activation": "relu", "pool": "average", "norm": false, "norm_last": false}}, "run": "fedf147cca95db1da9f7", "costs": {"macs": 612736.0, "params": 378970.0, "activations": 8896.0}, "refused": 1, "duplicates": 0, "drawn_by": "random", "sampler_attributes": {}}');
INSERT INTO "trial_user_attributes" VALUES(8,4,'progress','{"rungs": [{"epochs": 1, "validation_error_percent": 58.50794633746342, "arrival": 5}], "state": "stopped", "reason": null, "attempts": 1, "epochs_seen": 1, "train_seconds": 1.0, "micro_batches": 1, "counted_at": 4}');
INSERT INTO "trial_user_attributes" VALUES(9,5,'candidate','{"values": {"space": "lenet", "resnet.stages": 4, "resnet.block": "basic", "resnet.width_1": 16, "resnet.widening_2": 2, "resnet.depth_1": 3, "resnet.depth_2": 1, "resnet.shortcut": false, "resnet.stem": "small", "resnet.stem_width": 16, "resnet.widening_3": 1, "resnet.depth_3": 2, "resnet.widening_4": 1, "resnet.depth_4": 3, "lenet.kernel_1": 3, "lenet.kernel_2": 3, "lenet.width_1": 28, "lenet.width_2": 56, "lenet.dense_1": 120, "lenet.dense_2": 128, "lenet.activation": "relu", "lenet.pool": "average", "lenet.norm": false}, "config": {"family": "lenet", "config": {"widths": [28, 56], "kernels": [3, 3], "first_padding": 1, "dense_widths": [120, 128], "activation": "relu", "pool": "average", "norm": false, "norm_last": false}}, "run": "169f334e60c23c8867dd", "costs": {"macs": 2488256.0, "params": 273266.0, "activations": 30016.0}, "refused": 1, "duplicates": 0, "drawn_by": "random", "sampler_attributes": {}}');
INSERT INTO "trial_user_attributes" VALUES(10,5,'progress','{"rungs": [{"epochs": 1, "validation_error_percent": 48.451011677855206, "arrival": 6}, {"epochs": 3, "validation_error_percent": 41.67648998923495, "arrival": 8}, {"epochs": 9, "validation_error_percent": 23.47821007199481, "arrival": 11}], "state": "complete", "reason": null, "attempts": 1, "epochs_seen": 9, "train_seconds": 9.0, "micro_batches": 1, "counted_at": 5}');
INSERT INTO "trial_user_attributes" VALUES(11,6,'candidate','{"values": {"space": "lenet", "resnet.stages": 3, "resnet.block": "basic", "resnet.width_1": 32, "resnet.widening_2": 2, "resnet.depth_1": 2, "resnet.depth_2": 2, "resnet.shortcut": false, "resnet.stem": "small", "resnet.stem_width": 8, "resnet.widening_3": 1, "resnet.depth_3": 1, "resnet.widening_4": 2, "resnet.depth_4": 2, "lenet.kernel_1": 5, "lenet.kernel_2": 3, "lenet.width_1": 12, "lenet.width_2": 56, "lenet.dense_1": 120, "lenet.dense_2": 32, "lenet.activation": "sigmoid", "lenet.pool": "average", "lenet.norm": true}, "config": {"family": "lenet", "config": {"widths": [12, 56], "kernels": [5, 3], "first_padding": 2, "dense_widths": [120, 32], "activation": "sigmoid", "pool": "average", "norm": true, "norm_last": false}}, "run": "d69f24f88768f58abc79", "costs": {"macs": 1352192.0, "params": 253098.0, "activations": 17472.0}, "refused": 0, "duplicates": 0, "drawn_by": "random", "sampler_attributes": {}}');
INSERT INTO "trial_user_attributes" VALUES(12,6,'progress','{"rungs": [{"epochs": 1, "validation_error_percent": 53.72865595271458, "arrival": 7}], "state": "stopped", "reason": null, "attempts": 1, "epochs_seen": 1, "train_seconds": 1.0, "micro_batches": 1, "counted_at": 6}');
INSERT INTO "trial_user_attributes" VALUES(13,7,'candidate','{"values": {"space": "resnet", "resnet.stages": 3, "resnet.block": "bottleneck", "resnet.width_1": 8, "resnet.widening_2": 1, "resnet.depth_1": 2, "resnet.depth_2": 1, "resnet.shortcut": false, "resnet.stem": "small", "resnet.stem_width": 32, "resnet.widening_3": 1, "resnet.depth_3": 1, "resnet.widening_4": 2, "resnet.depth_4": 2, "lenet.kernel_1": 5, "lenet.kernel_2": 3, "lenet.width_1": 16, "lenet.width_2": 16, "lenet.dense_1": 64, "lenet.dense_2": 128, "lenet.activation": "relu", "lenet.pool": "average", "lenet.norm": true}, "config": {"family": "resnet", "config": {"depths": [2, 1, 1], "widths": [32, 32, 32], "block": "bottleneck", "shortcut": false, "stem": "small", "stem_width": 32, "conv_bias": false, "shortcut_norm": true}}, "run": "2d5d43f0df8f8995ca0b", "costs": {"macs": 2386816.0, "params": 5418.0, "activations": 117992.0}, "refused": 0, "duplicates": 0, "drawn_by": "random", "sampler_attributes": {}}');
INSERT INTO "trial_user_attributes" VALUES(14,7,'progress','{"rungs": [{"epochs": 1, "validation_error_percent": 48.61158942974811, "arrival": 9}], "state": "stopped", "reason": null, "attempts": 1, "epochs_seen": 1, "train_seconds": 1.0, "micro_batches": 1, "counted_at": 7}');
INSERT INTO "trial_user_attributes" VALUES(15,8,'candidate','{"values": {"space": "lenet", "resnet.stages": 4, "resnet.block": "bottleneck", "resnet.width_1": 24, "resnet.widening_2": 2, "resnet.depth_1": 1, "resnet.depth_2": 3, "resnet.shortcut": false, "resnet.stem": "small", "resnet.stem_width": 8, "resnet.widening_3": 1, "resnet.depth_3": 3, "resnet.widening_4": 1, "resnet.depth_4": 1, "lenet.kernel_1": 5, "lenet.kernel_2": 5, "lenet.width_1": 16, "lenet.width_2": 16, "lenet.dense_1": 120, "lenet.dense_2": 84, "lenet.activation": "sigmoid", "lenet.pool": "average", "lenet.norm": false}, "config": {"family": "lenet", "config": {"widths": [16, 16], "kernels": [5, 5], "first_padding": 2, "dense_widths": [120, 84], "activation": "sigmoid", "pool": "average", "norm": false, "norm_last": false}}, "run": "46605b48df264aec71b9", "costs": {"macs": 1012520.0, "params": 65966.0, "activations": 14144.0}, "refused": 1, "duplicates": 0, "drawn_by": "random", "sampler_attributes": {}}');
INSERT INTO "trial_user_attributes" VALUES(16,8,'progress','{"rungs": [{"epochs": 1, "validation_error_percent": 57.38115626305804, "arrival": 10}], "state": "stopped", "reason": null, "attempts": 1, "epochs_seen": 1, "train_seconds": 1.0, "micro_batches": 1, "counted_at": 8}');
INSERT INTO "trial_user_attributes" VALUES(17,9,'candidate','{"values": {"space": "lenet", "resnet.stages": 3, "resnet.block": "basic", "resnet.width_1": 16, "resnet.widening_2": 1, "resnet.depth_1": 3, "resnet.depth_2": 2, "resnet.shortcut": true, "resnet.stem": "small", "resnet.stem_width": 8, "resnet.widening_3": 2, "resnet.depth_3": 3, "resnet.widening_4": 1, "resnet.depth_4": 2, "lenet.kernel_1": 3, "lenet.kernel_2": 5, "lenet.width_1": 28, "lenet.width_2": 40, "lenet.dense_1": 64, "lenet.dense_2": 128, "lenet.activation": "relu", "lenet.pool": "average", "lenet.norm": true}, "config": {"family": "lenet", "config": {"widths": [28, 40], "kernels": [3, 5], "first_padding": 1, "dense_widths": [64, 128], "activation": "relu", "pool": "average", "norm": true, "norm_last": false}}, "run": "c4e013d339568b3a6dc0", "costs": {"macs": 3071040.0, "params": 102514.0, "activations": 25952.0}, "refused": 0, "duplicates": 0, "drawn_by": "random", "sampler_attributes": {}}');
INSERT INTO "trial_user_attributes" VALUES(18,9,'progress','{"rungs": [{"epochs": 1, "validation_error_percent": 33.3, "arrival": 11}], "state": null, "reason": null, "attempts": 1, "epochs_seen": 1, "train_seconds": 1.0, "micro_batches": 1, "counted_at": 9}');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,5,0,2.34782100719948090268e+01,'FINITE');
INSERT INTO "trial_values" VALUES(2,5,1,2488256.0,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'PRUNED','2026-12-01 00:26:16.301954','2026-12-01 00:26:17.346977');
INSERT INTO "trials" VALUES(2,1,1,'PRUNED','2026-12-01 00:26:16.438481','2026-12-01 00:26:17.359639');
INSERT INTO "trials" VALUES(3,2,1,'PRUNED','2026-12-01 00:26:16.568620','2026-12-01 00:26:17.381065');
INSERT INTO "trials" VALUES(4,3,1,'PRUNED','2026-12-01 00:26:16.728507','2026-12-01 00:26:17.389861');
INSERT INTO "trials" VALUES(5,4,1,'COMPLETE','2026-12-01 00:26:16.841923','2026-12-01 00:26:17.327544');
INSERT INTO "trials" VALUES(6,5,1,'PRUNED','2026-12-01 00:26:16.954117','2026-12-01 00:26:17.401428');
INSERT INTO "trials" VALUES(7,6,1,'PRUNED','2026-12-01 00:26:17.098246','2026-12-01 00:26:17.412779');
INSERT INTO "trials" VALUES(8,7,1,'PRUNED','2026-12-01 00:26:17.186711','2026-12-01 00:26:17.425314');
INSERT INTO "trials" VALUES(9,8,1,'RUNNING','2026-12-01 00:26:17.515909',NULL);
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
